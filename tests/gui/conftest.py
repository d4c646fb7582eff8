"""A whole window on small fakes."""

from dataclasses import replace

import pytest
from tests.helpers import small_study

from kiview import application
from kiview.viewmodels.window import WindowModels
from kiview.views.main_window import MainWindow


@pytest.fixture
def jobs():
    shipped = application.shipped_jobs()
    return replace(shipped, open_study=small_study.open_job(small_study.study()))


@pytest.fixture
def models(qapp, jobs) -> WindowModels:  # noqa: ARG001
    made = application.build_models(jobs)
    application.provide_networks(made)
    return made


@pytest.fixture
def window(qtbot, models) -> MainWindow:
    made = MainWindow(models)
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    return made
