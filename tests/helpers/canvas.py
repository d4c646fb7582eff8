"""A canvas of its own, and the mouse as the window system sends it."""

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.views.canvas.canvas_widget import CanvasWidget
from tests.helpers import torso

LEFT = Qt.MouseButton.LeftButton


def make_canvas(qtbot, image, size=(900, 720)):
    views, rois = ViewsViewModel(), RoisViewModel()
    canvas = CanvasWidget(views, rois)
    qtbot.addWidget(canvas)
    canvas.resize(*size)
    views.set_image(image)
    canvas.show()
    qtbot.waitExposed(canvas)
    return canvas, views, rois


def make_canvas_with_maps(qtbot):
    """The torso beside its Ki by Patlak and by a network."""
    canvas, views, rois = make_canvas(qtbot, torso.dynamic_image())
    views.set_map("patlak", torso.ki_map(), "Patlak Ki", "Patlak", "30-60 min")
    views.set_map("network", torso.ki_map(scale=0.011), "Network Ki", "network", "torso-ki")
    QApplication.processEvents()
    return canvas, views, rois


def drag(view, start, end, button=LEFT):
    """Press, move in steps, release; each event as the window system would send it."""
    QTest.mousePress(view, button, Qt.KeyboardModifier.NoModifier, start)
    for share in (0.25, 0.5, 0.75, 1.0):
        between = QPointF(start) + (QPointF(end) - QPointF(start)) * share
        move(view, between.toPoint(), button)
    QTest.mouseRelease(view, button, Qt.KeyboardModifier.NoModifier, end)


def move(view, pixel, buttons=Qt.MouseButton.NoButton):
    place = QPointF(pixel)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(view.mapToGlobal(pixel)),
        Qt.MouseButton.NoButton,
        buttons,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(view, event)


def wheel(view, notches, modifiers=Qt.KeyboardModifier.NoModifier, at=None):
    at = at or view.rect().center()
    event = QWheelEvent(
        QPointF(at),
        QPointF(view.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)
