"""A study that arrives frame by frame when a test says so."""

import threading
from dataclasses import replace
from pathlib import Path

from kiview.core.arriving import ArrivingFrameStore, ArrivingImage
from kiview.core.errors import ReadError
from kiview.viewmodels.window import WindowModels
from tests.helpers import small_study

WAIT_S = 10.0


class SlowStudy:
    """An opening job that offers frames when the test says so, then succeeds or fails."""

    def __init__(self, uid: str = "1.2.3.9") -> None:
        self.study = small_study.study(uid=uid)
        self.whole = self.study.series[0].image
        self._store = ArrivingFrameStore(self.whole.store.shape_tzyx, 1.0, 0.0)
        self._store.lend(self.whole.store.voxels)
        self._image = replace(self.whole, store=self._store)
        self._asked: list[int] = []
        self._go, self._end = threading.Semaphore(0), None

    def job(self, _path, _overrides, _study_uid, progress):
        while True:
            assert self._go.acquire(timeout=WAIT_S)
            progress.step(0.5, "reading")  # raises after a stop request
            if self._end is not None:
                return self._end()
            frames = self._store.add(self._asked.pop(0))
            progress.offer(ArrivingImage(self._image, frames))

    def begin(self, models: WindowModels) -> None:
        """Start opening it."""
        models.study._open_job = self.job
        models.study.open_path(Path("large"))

    def bring(self, qtbot, models, frame: int) -> None:
        self._asked.append(frame)
        with qtbot.waitSignal(models.study.arriving_changed):
            self._go.release()

    def end(self, how) -> None:
        self._end = how
        self._go.release()

    def succeed(self) -> None:
        self.end(lambda: self.study)

    def fail(self) -> None:
        def raise_it():
            raise ReadError("The drive is gone.")

        self.end(raise_it)
