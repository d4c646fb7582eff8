"""The Input panel as a user works it, with a network that finds the curve."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QPushButton, QRadioButton, QWidget
from tests.helpers import small_study
from tests.helpers.qt import child, visible_text

from kiview.core.input_function import InputSource
from kiview.io.dicom_frames import stand_in_timing
from kiview.viewmodels.curves import TIMES_UNKNOWN
from kiview.views.plots.curves_plot import CurvesPlot

LEFT = Qt.MouseButton.LeftButton


def fake_find(_request, _progress):
    return small_study.found_blood()


@pytest.fixture
def jobs(jobs):
    return replace(jobs, find_curve=fake_find)


@pytest.fixture
def panel(qtbot, window, models):
    """The panel in front, with the small study open."""
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    window.show_panel("Input")
    qtbot.wait(20)
    return window


def choose(qtbot, panel, source):
    button = child(panel, QRadioButton, f"input_{source.name.lower()}")
    qtbot.mouseClick(button, LEFT, pos=button.rect().topLeft() + button.rect().center() / 4)
    assert button.isChecked()


def test_that_a_found_curve_is_asked_for_told_and_drawn(qtbot, panel, models):
    find = child(panel, QPushButton, "inputFind")
    assert not find.isVisible()
    choose(qtbot, panel, InputSource.NETWORK)
    assert models.input_function.source is InputSource.NETWORK
    assert find.isVisible()
    assert not child(panel, QWidget, "inputRegion").isVisible()
    assert not child(panel, QPushButton, "inputFile").isVisible()
    assert "estimate from late frames" in visible_text(panel)
    assert "the early part is a population's" in visible_text(panel)
    status = child(panel, QLabel, "inputStatus")
    assert "Press Find" in status.text()
    qtbot.mouseClick(find, LEFT)
    assert not find.isEnabled()
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    assert status.text() == "Found by network fake@1 in 34 mL of blood"
    assert child(panel, QLabel, "inputFindings").text() == "It is an estimate."
    assert find.isEnabled()
    (plot,) = panel.findChildren(CurvesPlot)
    plot.refresh()
    assert "input" in visible_text(plot)
    assert plot.title.text() == "Curves, kBq/mL over minutes"


def test_that_the_plasma_factor_is_shown_as_not_used(qtbot, panel, models):
    models.input_function.set_plasma_factor(1.25)
    factor = child(panel, QDoubleSpinBox, "plasmaFactor")
    assert (factor.isEnabled(), factor.value()) == (True, 1.25)
    choose(qtbot, panel, InputSource.NETWORK)
    assert (factor.isEnabled(), factor.value()) == (False, 1.0)
    assert "plasma already" in factor.toolTip()
    choose(qtbot, panel, InputSource.IMAGE)
    assert (factor.isEnabled(), factor.value()) == (True, 1.25)
    assert "plasma already" not in factor.toolTip()


def test_that_the_other_sources_show_their_own_rows(qtbot, panel):
    for source, shown in (
        (InputSource.IMAGE, {"inputRegion"}),
        (InputSource.POPULATION, {"inputRegion", "scaleStart"}),
        (InputSource.SAMPLES, {"inputFile"}),
        (InputSource.NETWORK, {"inputFind"}),
    ):
        choose(qtbot, panel, source)
        names = ("inputRegion", "scaleStart", "inputFile", "inputFind")
        assert {name for name in names if child(panel, QWidget, name).isVisible()} == shown


def test_that_no_curve_is_drawn_over_unknown_times(qtbot, panel, models):
    models.rois.add(small_study.aorta(), "Aorta")
    count = models.study.image.frame_count
    models.study.use_merged(small_study.image(timing=stand_in_timing(count)))
    qtbot.waitUntil(lambda: models.input_function.problem == TIMES_UNKNOWN)
    (plot,) = panel.findChildren(CurvesPlot)
    plot.refresh()
    assert TIMES_UNKNOWN in visible_text(plot)
    assert plot.title.text() == "Curves"
