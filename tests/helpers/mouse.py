"""A mouse for tests: Qt's own events, or a real pointer moved by xdotool on an X display."""

import subprocess
from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

Wait = Callable[[int], None]
"""Lets the event loop run for some milliseconds."""


class Mouse(Protocol):
    """What a hand can do."""

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Press and release the left button, in the middle of a widget or at a pixel of it."""

    def drag(self, widget: QWidget, start: QPoint, end: QPoint, wheel: int = 0) -> None:
        """Press at one pixel, turn the wheel so many steps on the way, release at another."""

    def wheel(self, widget: QWidget, at: QPoint, steps: int) -> None:
        """Turn the wheel, up is positive."""


class QtMouse:
    """Sends Qt events; works without a display."""

    def __init__(self, wait: Wait) -> None:
        self._wait = wait

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at or widget.rect().center())
        self._wait(10)

    def drag(self, widget: QWidget, start: QPoint, end: QPoint, wheel: int = 0) -> None:
        QTest.mousePress(widget, Qt.MouseButton.LeftButton, pos=start)
        QTest.mouseMove(widget, (start + end) / 2)
        self._wait(30)
        QTest.mouseMove(widget, end)
        self._wait(30)
        if wheel:
            self.wheel(widget, end, wheel)
        QTest.mouseRelease(widget, Qt.MouseButton.LeftButton, pos=end)
        self._wait(10)

    def wheel(self, widget: QWidget, at: QPoint, steps: int) -> None:
        window = widget.window().windowHandle()
        for _ in range(abs(steps)):
            place = widget.mapTo(widget.window(), at)
            delta = QPoint(0, 120 if steps > 0 else -120)
            QTest.wheelEvent(window, place, delta)
        self._wait(10)


class XMouse:
    """Moves the real pointer of the X display that the window is on."""

    def __init__(self, wait: Wait) -> None:
        self._wait = wait

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        self._run(*self._to(widget, at or widget.rect().center()), "click", "1")

    def drag(self, widget: QWidget, start: QPoint, end: QPoint, wheel: int = 0) -> None:
        self._run(*self._to(widget, start), "mousedown", "1")
        self._run(*self._to(widget, (start + end) / 2))
        self._run(*self._to(widget, end))
        if wheel:
            self.wheel(widget, end, wheel)
        self._run("mouseup", "1")

    def wheel(self, widget: QWidget, at: QPoint, steps: int) -> None:
        for _ in range(abs(steps)):
            self._run(*self._to(widget, at), "click", "4" if steps > 0 else "5")

    @staticmethod
    def _to(widget: QWidget, at: QPoint) -> tuple[str, ...]:
        place = widget.mapToGlobal(at)
        return "mousemove", "--sync", str(place.x()), str(place.y())

    def _run(self, *arguments: str) -> None:
        """Start xdotool and keep the window answering until it is done."""
        process = subprocess.Popen(["xdotool", *arguments])
        while process.poll() is None:
            self._wait(10)
        assert process.returncode == 0, arguments
        self._wait(40)


def has_real_pointer() -> bool:
    """Whether the window is on an X display."""
    return QApplication.platformName() == "xcb"
