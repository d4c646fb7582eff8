"""View models of a window on small fakes, without widgets."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers import small_study, torso
from tests.helpers.network_runs import FakePreview

from kiview import application
from kiview.viewmodels.views import ViewsViewModel
from kiview.viewmodels.window import WindowModels


@pytest.fixture
def views(qapp):  # noqa: ARG001 - timers need an application
    views = ViewsViewModel()
    views.set_image(torso.dynamic_image())
    return views


@pytest.fixture
def jobs():
    shipped = application.shipped_jobs()
    return replace(shipped, open_study=small_study.open_job(small_study.study()))


@pytest.fixture
def models(qtbot, jobs) -> WindowModels:
    made = application.build_models(jobs)
    application.provide_networks(made)
    yield made
    made.runner.close()
    qtbot.waitUntil(lambda: not made.runner.tasks)


@pytest.fixture
def opened(qtbot, models) -> WindowModels:
    """With the small study open."""
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    qtbot.wait(1)  # it is recorded in a turn of its own
    qtbot.waitUntil(lambda: not models.runner.tasks)
    return models


@pytest.fixture
def with_aorta(qtbot, opened) -> WindowModels:
    """With the small study open and an aorta region."""
    opened.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: opened.input_function.input_function is not None)
    return opened


@pytest.fixture
def fake_preview() -> FakePreview:
    """For modules that put it in the place of the job."""
    return FakePreview()
