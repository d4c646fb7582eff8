"""Reads planes beside the window's thread: those that take long, and the next ones of a scroll."""

import threading
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.core.reslice import Plane, PlaneImage
from kiview.viewmodels.layers import PlaneCache

POLL_MS = 8
LINGER_S = 0.05
"""How long the thread waits for more to read before it ends."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A slice to read; `shown` when a view waits for it, else read ahead."""

    cache: PlaneCache
    plane: Plane
    index: int
    shown: bool


class PlaneLoader(QObject):
    """Loads planes in the order they are asked for; a newer slice of a view replaces an older.

    The thread lives only while there is something to read, so nothing has to be stopped. It
    touches no Qt object: it puts planes into their caches, and a timer here looks for them.

    Signals:
        loaded: some planes that views wait for have arrived in their caches.
    """

    loaded = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: dict[tuple[int, Plane], _Wanted] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._awaited = 0
        self._arrived = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._look)

    @property
    def is_busy(self) -> bool:
        """Whether planes that views wait for are still to come."""
        return self._timer.isActive()

    def image(self, cache: PlaneCache, plane: Plane, position_mm: float) -> PlaneImage | None:
        """The slice nearest to a position: at once where that is quick, else when it is there."""
        index = cache.reslicer.slice_index(plane, position_mm)
        kept = cache.kept(plane, index)
        if kept is None and not cache.is_slow:
            kept = cache.read(plane, position_mm)
        if kept is None and (plane, index) not in cache.unreadable:
            self._ask(_Wanted(cache, plane, index, shown=True))
            self._timer.start()
        self._read_ahead(cache, plane, index)
        return kept

    def forget(self) -> None:
        """Drop what is still to be read: something else is shown."""
        with self._changed:
            self._wanted.clear()

    def _read_ahead(self, cache: PlaneCache, plane: Plane, index: int) -> None:
        """While a plane is scrolled, read its next slice before it is asked for."""
        step = index - cache.last_shown.get(plane, index)
        cache.last_shown[plane] = index
        following = index + step
        if abs(step) != 1 or not 0 <= following < cache.reslicer.slice_count(plane):
            return
        if cache.kept(plane, following) is None and (plane, following) not in cache.unreadable:
            self._ask(_Wanted(cache, plane, following, shown=False))

    def _ask(self, wanted: _Wanted) -> None:
        key = (id(wanted.cache), wanted.plane)
        with self._changed:
            waiting = self._wanted.get(key)
            if waiting is not None and waiting.shown and not wanted.shown:
                return  # what is looked at comes before what may be looked at next
            self._wanted[key] = wanted
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="planes", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _work(self) -> None:
        """Read until nothing more is wanted for a while; touches no Qt object."""
        while True:
            with self._changed:
                if not self._wanted and not self._changed.wait(LINGER_S) and not self._wanted:
                    self._thread = None
                    return
                if not self._wanted:
                    continue
                wanted = self._wanted.pop(next(iter(self._wanted)))
                self._awaited += wanted.shown
            _read(wanted)
            with self._changed:
                self._awaited -= wanted.shown
                self._arrived = self._arrived or wanted.shown

    def _look(self) -> None:
        """Tell of what has arrived; stop looking when no view waits any more."""
        with self._changed:
            arrived, self._arrived = self._arrived, False
            waiting = self._awaited or any(wanted.shown for wanted in self._wanted.values())
        if not waiting:
            self._timer.stop()
        if arrived:
            self.loaded.emit()


def _read(wanted: _Wanted) -> None:
    cache = wanted.cache
    try:
        image = cache.reslicer.read(cache.source, wanted.plane, wanted.index)
    except OSError:  # the file went away: not asked for again and again
        cache.unreadable.add((wanted.plane, wanted.index))
    else:
        cache.keep(wanted.plane, wanted.index, image)
