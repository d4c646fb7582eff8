"""A study is seen in the window while it is still being read."""

from PySide6.QtWidgets import QLabel, QStackedWidget
from tests.helpers.slow_study import SlowStudy

from kiview.views.empty_state import EmptyState
from kiview.views.main_window import MainWindow

PENDING_FRAME, LAST_FRAME = 3, 24


def is_empty(window: MainWindow) -> bool:
    (stack,) = [
        one for one in window.findChildren(QStackedWidget) if isinstance(one.widget(0), EmptyState)
    ]
    return stack.currentIndex() == 0


def test_that_frames_are_seen_while_others_are_read_and_missing_ones_are_blank(qtbot, window):
    models, slow = window._models, SlowStudy()
    label = window.findChild(QLabel, "frames-arrived")
    assert is_empty(window)
    assert label.isHidden()
    slow.begin(models)
    slow.bring(qtbot, models, LAST_FRAME)
    assert not is_empty(window)
    assert label.text() == "1 of 25 frames read"
    assert not label.isHidden()
    view = window.canvas.slice_views[0]
    view.grab()
    assert view._picture is not None
    models.views.frames.show_frame(PENDING_FRAME)
    view.grab()
    assert view._picture is None  # the picture of another frame must not stay
    slow.bring(qtbot, models, PENDING_FRAME)
    view.grab()
    assert view._picture is not None
    slow.succeed()
    qtbot.waitUntil(lambda: not models.runner.tasks)
    assert label.isHidden()
    assert not is_empty(window)


def test_that_the_window_is_empty_again_when_the_first_study_fails(qtbot, window):
    models, slow = window._models, SlowStudy()
    slow.begin(models)
    slow.bring(qtbot, models, LAST_FRAME)
    slow.fail()
    qtbot.waitUntil(lambda: not models.runner.tasks)
    assert is_empty(window)
    assert models.messages.current.text == "The drive is gone."
