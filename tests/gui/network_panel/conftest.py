"""The Network panel in front, with fake networks and a small study."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers import small_study
from tests.helpers.network_panel import fake_network, fake_preview, fake_probe

from kiview.viewmodels.results import NETWORK


@pytest.fixture
def jobs(jobs):
    return replace(jobs, network=fake_network, preview=fake_preview, probe=fake_probe)


@pytest.fixture
def panel(qtbot, window, models):
    """The panel in front, with a network map computed."""
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    models.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    models.network.compute()
    qtbot.waitUntil(lambda: models.results.get(NETWORK) is not None and not models.runner.tasks)
    window.show_panel("Network")
    qtbot.wait(20)
    return window
