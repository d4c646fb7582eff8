"""A window on a study, driven as a clinician would, with a watch in the hand."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer

from kiview import application
from kiview.core.progress import Progress
from kiview.core.study import Study
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.viewmodels.results import NETWORK, PATLAK
from kiview.viewmodels.study import Overrides
from kiview.viewmodels.window import WindowModels
from kiview.views.main_window import MainWindow
from tests.benchmarks.whole_body import plasma

LONGEST_WAIT_S, LOOK_MS = 1800.0, 5


class Journey:
    """A window on the study: what it shows when, and how much memory it takes.

    Attributes:
        models: View models of the window.
        first_s: From the click to the first picture of a frame.
        import_s: From the click to the open study.
        first_frame: Frame that was seen first.
        prepared: What opening gives instead of reading files, None to read them.
    """

    def __init__(self, cache: Path) -> None:
        """Build the window; nothing is open."""
        application.make_qt_application()

        def open_it(
            path: Path, overrides: Overrides | None, study_uid: str, progress: Progress
        ) -> Study:
            if self.prepared is not None:
                return self.prepared
            request = OpenRequest(
                path, overrides or {}, cache, memory_limit_bytes=0, study_uid=study_uid
            )
            return open_study(request, progress)

        jobs = replace(
            application.shipped_jobs(), open_study=open_it, read_curve=lambda *_: plasma()
        )
        self.models: WindowModels = application.build_models(jobs)
        application.provide_networks(self.models)
        self.window = MainWindow(self.models)
        self.window.resize(1440, 900)
        self.window.show()
        self.prepared: Study | None = None
        self.first_s = self.import_s = 0.0
        self.first_frame = -1

    def open(self, folder: Path) -> None:
        """Import, and look at the first frame that comes."""
        models = self.models
        begin = time.perf_counter()

        def look() -> None:
            if self.first_s or models.study.arriving is None or models.views.loader.is_busy:
                return
            layer = models.views.layer("image")
            if layer is not None and not layer.pending:
                self.window.canvas.grab()
                self.wait(lambda: not models.views.loader.is_busy)
                self.window.canvas.grab()
                self.first_s = time.perf_counter() - begin
                self.first_frame = models.views.frames.frame

        models.study.arriving_changed.connect(look)
        models.study.open_path(folder)
        self.wait(lambda: models.study.study is not None)
        self.import_s = time.perf_counter() - begin
        models.study.arriving_changed.disconnect(look)
        self.settle()

    def patlak(self) -> None:
        """Patlak maps beside the frames."""
        models = self.models
        models.input_function.load_file(Path("plasma.tsv"))
        self.wait(lambda: not models.maps.why_not)
        models.maps.compute()
        self.settle()
        if models.results.get(PATLAK) is None:
            raise SystemExit("Patlak gave no map.")

    def network(self) -> str:
        """Maps of the network besides; returns why it gave none, or nothing."""
        models = self.models
        if models.network.why_not:
            return models.network.why_not
        models.network.compute()
        self.settle()
        told = models.messages.current
        if models.results.get(NETWORK) is not None:
            return ""
        return "no map" if told is None else told.text

    def show(self, frame: int) -> float:
        """Change the frame; seconds until all views show it."""
        begin = time.perf_counter()
        self.models.views.frames.show_frame(frame)
        self.window.canvas.grab()
        self.wait(lambda: not self.models.views.loader.is_busy)
        self.window.canvas.grab()
        return time.perf_counter() - begin

    def settle(self) -> None:
        """Until no task runs."""
        self.wait(lambda: not self.models.runner.tasks)

    @staticmethod
    def wait(done: Callable[[], bool]) -> None:
        """Run the event loop, as the program does."""
        loop, look, began = QEventLoop(), QTimer(), time.monotonic()

        def on_look() -> None:
            if done() or time.monotonic() > began + LONGEST_WAIT_S:
                loop.quit()

        look.setInterval(LOOK_MS)
        look.timeout.connect(on_look)
        look.start()
        if not done():
            loop.exec()
        look.stop()
        if not done():
            raise SystemExit("The window did not come to its end.")
