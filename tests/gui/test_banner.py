"""The sentence over the views is shown whole."""

import pytest
from PySide6.QtWidgets import QLabel, QWidget
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
    banner = Banner(messages, parent)
    parent.show()
    messages.show("sub-01_ses-01_pet.json lists frames that overlap; give frame_start_s. " * 4)
    text = child(banner, QLabel, "bannerText")
    qtbot.waitUntil(lambda: text.height() >= text.heightForWidth(text.width()), timeout=2000)
    assert banner.height() - banner.childrenRect().bottom() > 0
