"""Views and plots share the height; messages take theirs from the views."""

from pathlib import Path

import pytest


@pytest.fixture
def centre(qtbot, window, models):
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    qtbot.wait(50)
    return window.centre


def test_that_without_a_study_there_are_no_empty_plots(qtbot, window):
    qtbot.wait(1)
    assert window.centre.sizes()[1] == 0


@pytest.mark.parametrize("height", [800, 1080])
def test_that_plots_have_their_share_of_any_window(qtbot, window, centre, height):
    window.resize(1920, height)
    qtbot.wait(1)
    views, plots = centre.sizes()
    assert plots / (views + plots) == pytest.approx(0.28, abs=0.01)


def test_that_a_message_does_not_lay_out_the_plots_again(qtbot, centre, models):
    before = centre.sizes()
    views = centre.canvas.height()
    models.messages.show("A sentence.")
    qtbot.waitUntil(lambda: centre.canvas.height() < views)
    assert centre.sizes() == before


def test_that_the_share_a_user_chose_outlasts_an_empty_window(qtbot, centre):
    centre.setSizes([400, 300])
    chosen = centre.sizes()
    centre.show_study(False)
    qtbot.wait(1)
    centre.show_study(True)
    qtbot.wait(1)
    assert centre.sizes() == chosen
