"""Reads planes that take long (cold disk, sums, oblique volumes) beside the window's thread."""

import queue
import threading
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.reslice import Plane, PlaneImage
from kiview.viewmodels.layers import PlaneCache

POLL_MS = 8


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A plane that was read, or None when reading failed."""

    cache: PlaneCache
    plane: Plane
    index: int
    image: PlaneImage | None


class PlaneLoader(QObject):
    """Loads planes in the order they are asked for; a newer slice of a view replaces an older.

    The thread lives only while there is something to read, so nothing has to be stopped.

    Signals:
        loaded: some planes have arrived in their caches.
    """

    loaded = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: dict[tuple[int, Plane], tuple[PlaneCache, int]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._arrived: queue.SimpleQueue[_Loaded] = queue.SimpleQueue()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._deliver)

    @property
    def is_busy(self) -> bool:
        """Whether planes are still to come."""
        return self._timer.isActive()

    def image(self, cache: PlaneCache, plane: Plane, position_mm: float) -> PlaneImage | None:
        """The slice nearest to a position: at once where that is quick, else when it is there."""
        index = cache.reslicer.slice_index(plane, position_mm)
        kept = cache.kept(plane, index)
        if kept is not None:
            return kept
        if not cache.is_slow:
            return cache.read(plane, position_mm)
        if (plane, index) not in cache.unreadable:
            self._ask(cache, plane, index)
        return None

    def forget(self) -> None:
        """Drop what is still to be read: something else is shown."""
        with self._lock:
            self._wanted.clear()

    def _ask(self, cache: PlaneCache, plane: Plane, index: int) -> None:
        with self._lock:
            self._wanted[id(cache), plane] = (cache, index)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="planes", daemon=True)
                self._thread.start()
        if not self._timer.isActive():
            self._timer.start()

    def _work(self) -> None:
        """Read until nothing is wanted; touches no Qt object."""
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                (_, plane), (cache, index) = next(iter(self._wanted.items()))
                del self._wanted[id(cache), plane]
            try:
                image: PlaneImage | None = cache.reslicer.read(cache.source, plane, index)
            except OSError:  # the file went away; the view says so
                image = None
            self._arrived.put(_Loaded(cache, plane, index, image))

    def _deliver(self) -> None:
        """Put what has arrived where the views find it."""
        with self._lock:
            working = self._thread is not None
        arrived = False
        while not self._arrived.empty():
            done = self._arrived.get()
            arrived = True
            if done.image is None:
                done.cache.unreadable.add((done.plane, done.index))
            else:
                done.cache.keep(done.plane, done.index, done.image)
        if not working:
            self._timer.stop()
        if arrived:
            self.loaded.emit()
