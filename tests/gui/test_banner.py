"""The sentence over the views is shown whole."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from tests.helpers.qt import child

from kiview import application
from kiview.viewmodels.messages import MessagesViewModel
from kiview.views.banner import Banner


@pytest.mark.parametrize("width", [420, 640, 860, 1100])
def test_that_a_long_sentence_is_not_cut_at_the_foot(qtbot, width):
    application.make_qt_application()
    parent, messages = QWidget(), MessagesViewModel()
    qtbot.addWidget(parent)
    parent.resize(width, 400)
    banner, rows = Banner(messages), QVBoxLayout(parent)
    rows.addWidget(banner)
    rows.addStretch(1)
    parent.show()
    messages.show("sub-01_ses-01_pet.json lists frames that overlap; give frame_start_s. " * 4)
    text = child(banner, QLabel, "bannerText")
    qtbot.waitUntil(lambda: text.height() >= text.heightForWidth(text.width()), timeout=2000)
    assert banner.height() - banner.childrenRect().bottom() > 0


def test_that_the_banner_hides_nothing_of_the_views(qtbot, models, window):
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    models.messages.show("The weights belong to another network; install that one first. " * 3)
    banner = child(window, QWidget, "banner")
    qtbot.waitUntil(lambda: banner.height() > 40)
    qtbot.waitUntil(lambda: top_of(window.canvas) > top_of(banner) + banner.height())
    assert window.canvas.isVisible()
    models.messages.dismiss()
    qtbot.waitUntil(lambda: top_of(window.canvas) < top_of(window.tabs) + 8)


def top_of(widget):
    return widget.mapToGlobal(QPoint(0, 0)).y()
