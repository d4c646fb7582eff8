"""The curve that a network finds: asked for in the window, used like every other."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import curve_network, small_study

from kiview.core.errors import NetworkError
from kiview.core.input_function import InputSource
from kiview.core.progress import NullProgress
from kiview.jobs.input_curve import InputCurveRequest, build_input_function
from kiview.viewmodels.results import NETWORK, PATLAK


class FindJob:
    """Finds the true blood, scaled by the start of the frames; can wait, fail and be deaf."""

    def __init__(self):
        self.requests = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.failure = ""
        self.heeds_stop = True

    def __call__(self, request, progress):
        self.requests.append(request)
        progress.step(0.1, "Looking for blood")
        while not self.goes_on.wait(0.01):
            if self.heeds_stop:
                progress.step(0.5, "Looking for blood")
        if self.failure:
            raise NetworkError(self.failure)
        return small_study.found_blood(request.frames_s[0] / 1800.0)


@pytest.fixture
def job():
    return FindJob()


@pytest.fixture
def jobs(jobs, job):
    return replace(jobs, find_curve=job)


@pytest.fixture
def asked(opened):
    """With the small study open and the network chosen as source."""
    opened.input_function.use_source(InputSource.NETWORK)
    return opened


def find(qtbot, models):
    models.input_function.found.find()
    qtbot.waitUntil(lambda: not models.input_function.found.is_running)


def compute(qtbot, models):
    models.maps.compute()
    qtbot.waitUntil(lambda: not models.maps.is_running)


def test_that_nothing_is_looked_for_until_it_is_asked(asked, job):
    model = asked.input_function
    assert model.input_function is None
    assert "Press Find" in model.problem
    assert "30\N{EN DASH}60 min" in model.problem
    assert model.problem in asked.maps.why_not
    assert job.requests == []


def test_that_the_found_curve_is_used_and_told(qtbot, asked, job):
    find(qtbot, asked)
    model = asked.input_function
    (request,) = job.requests
    assert request.image is asked.study.image
    assert (request.source, request.frames_s) == (InputSource.NETWORK, (1800.0, 3600.0))
    assert model.status == "Found by network fake@1 in 34 mL of blood"
    assert model.findings == ("It is an estimate.",)
    assert model.identity.startswith("network|")
    compute(qtbot, asked)
    result = asked.results.get(PATLAK)
    assert not result.is_stale
    assert "input by network" in result.summary
    assert result.maps.provenance.inputs["input_function"]["source"] == "network"


def test_that_other_frames_make_maps_stale_until_the_frames_are_back(qtbot, asked, job):
    find(qtbot, asked)
    compute(qtbot, asked)
    before = asked.input_function.identity
    asked.maps.set_window_min(20, 60)
    assert asked.input_function.input_function is None
    assert "press Find in Input again" in asked.input_function.problem
    assert asked.input_function.identity == ""
    assert asked.results.get(PATLAK).is_stale
    assert len(job.requests) == 1
    asked.maps.set_window_min(30, 60)
    assert asked.input_function.identity == before
    assert not asked.results.get(PATLAK).is_stale


def test_that_another_curve_has_another_identity_and_the_same_one_has_not(qtbot, asked):
    find(qtbot, asked)
    first = asked.input_function.identity
    find(qtbot, asked)
    assert asked.input_function.identity == first
    asked.maps.set_window_min(20, 60)
    find(qtbot, asked)
    assert asked.input_function.identity not in ("", first)


def test_that_frames_do_not_matter_to_other_sources(with_aorta):
    model = with_aorta.input_function
    before = model.identity
    with_aorta.maps.set_window_min(20, 60)
    assert model.identity == before
    assert model.input_function is not None


def test_that_another_study_starts_without_the_curve_of_the_first(qtbot, asked):
    find(qtbot, asked)
    asked.study._open_job = small_study.open_job(small_study.study(uid="9.9"))
    with qtbot.waitSignal(asked.study.study_changed):
        asked.study.open_path(Path("other"))
    assert asked.input_function.input_function is None
    assert "Press Find" in asked.input_function.problem


def test_that_a_study_read_again_has_to_be_looked_at_again(qtbot, asked):
    find(qtbot, asked)
    with qtbot.waitSignal(asked.study.study_changed):
        asked.study.open_path(Path("small"))
    assert asked.input_function.input_function is None


@pytest.mark.parametrize("failure", ["", "Too late."])
@pytest.mark.parametrize("heeds_stop", [True, False])
def test_that_what_comes_too_late_for_its_study_is_dropped(qtbot, asked, job, failure, heeds_stop):
    job.goes_on.clear()
    job.failure, job.heeds_stop = failure, heeds_stop
    asked.input_function.found.find()
    with qtbot.waitSignal(asked.study.study_changed):
        asked.study.open_path(Path("small"))
    if not heeds_stop:
        job.goes_on.set()
    qtbot.waitUntil(lambda: not asked.input_function.found.is_running)
    assert asked.input_function.input_function is None
    assert asked.messages.current is None


def test_that_it_can_be_stopped_like_every_task(qtbot, asked, job):
    job.goes_on.clear()
    qtbot.waitUntil(lambda: not asked.runner.tasks)
    found = asked.input_function.found
    found.find()
    assert "Looking for blood" in asked.input_function.status
    assert "looking for blood" in found.why_not
    found.find()
    (task,) = asked.runner.tasks
    qtbot.waitUntil(lambda: task.progress.fraction == 0.5)
    task.cancel()
    qtbot.waitUntil(lambda: not found.is_running)
    assert len(job.requests) == 1
    assert asked.messages.current is None
    assert "Press Find" in asked.input_function.problem
    assert found.why_not == ""


def test_that_a_failure_is_told_in_the_banner_and_withdrawn_when_it_works(qtbot, asked, job):
    job.failure = "No large vessel with blood was found."
    find(qtbot, asked)
    assert asked.messages.current.text == job.failure
    assert asked.input_function.problem == job.failure
    job.failure = ""
    find(qtbot, asked)
    assert asked.messages.current is None
    assert asked.input_function.input_function is not None


def test_that_the_plasma_factor_is_neither_applied_nor_forgotten(qtbot, asked):
    model = asked.input_function
    find(qtbot, asked)
    before, identity = model.input_function.at(2000.0), model.identity
    model.set_plasma_factor(1.1)
    assert model.input_function.at(2000.0) == before
    assert model.identity == identity
    assert model.applied_factor == 1.0
    assert "plasma already" in model.why_no_factor
    model.use_source(InputSource.IMAGE)
    assert (model.applied_factor, model.why_no_factor) == (1.1, "")


def test_that_a_network_s_curve_from_a_file_takes_no_factor_either(qtbot, opened, job, tmp_path):
    model = opened.input_function
    made = job(InputCurveRequest(opened.study.image, InputSource.NETWORK), NullProgress())
    model._read_curve = lambda _path, _progress: made
    model.set_plasma_factor(1.1)
    model.load_file(tmp_path / "found.tsv")
    qtbot.waitUntil(lambda: model.source is InputSource.SAMPLES)
    assert model.input_function is made
    assert model.applied_factor == 1.0


def test_that_without_a_study_the_first_step_is_told(models, job):
    models.input_function.use_source(InputSource.NETWORK)
    assert "Open a study" in models.input_function.problem
    assert models.input_function.found.why_not
    models.input_function.found.find()
    assert job.requests == []


def test_that_the_window_finds_the_curve_of_the_command_line(
    qtbot, asked, job, monkeypatch, tmp_path
):
    curve_network.install(tmp_path / "models")
    curve_network.use(monkeypatch, tmp_path / "models")
    asked.input_function.found._job = build_input_function
    asked.maps.set_window_min(20, 60)
    find(qtbot, asked)
    request = InputCurveRequest(
        asked.study.image, InputSource.NETWORK, frames_s=(1200.0, 3600.0), plasma_factor=1.0
    )
    expected = build_input_function(request, NullProgress())
    times_s = np.array([40.0, 900.0, 3000.0])
    model = asked.input_function
    np.testing.assert_array_equal(model.input_function.at(times_s), expected.at(times_s))
    assert model.input_function.description == expected.description
    asked.network.compute()
    qtbot.waitUntil(lambda: not asked.network.is_running)
    assert asked.results.get(NETWORK).maps.provenance.inputs["input_source"] == "network"
    assert job.requests == []


def test_that_without_a_curve_network_it_is_told_what_else_to_do(
    qtbot, asked, monkeypatch, tmp_path
):
    curve_network.install_none(tmp_path / "models")
    curve_network.use(monkeypatch, tmp_path / "models")
    asked.input_function.found._job = build_input_function
    find(qtbot, asked)
    assert "draw a region in blood" in asked.messages.current.text
    assert "draw a region in blood" in asked.input_function.problem
