"""Opening, findings, and values that the user enters."""

from pathlib import Path

import pytest
from tests.helpers import small_study

from kiview.core.errors import InvalidInputError, MissingInformationError
from kiview.core.study import Finding, Verdict
from kiview.viewmodels.missing_values import missing_value, parse_entry

CONFIRM = Finding(
    "injection-time", "Injection equals scan start.", Verdict.CONFIRM, Verdict.CONFIRM
)


def open_with(qtbot, models, *findings):
    models.study._open_job = small_study.open_job(small_study.study(findings))
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))


def test_that_a_failed_opening_keeps_the_study_that_was_open(qtbot, opened):
    def fail(*_asked):
        raise MissingInformationError("No dose.", ("dose_bq",))

    before = opened.study.study
    opened.study._open_job = fail
    with qtbot.waitSignal(opened.study.open_failed):
        opened.study.open_path(Path("other"))
    assert opened.study.study is before
    assert opened.study.missing_fields == ("dose_bq",)
    assert opened.messages.current.text == "No dose."


def test_that_only_the_latest_of_two_openings_counts(qtbot, models):
    models.study._open_job = lambda path, *_: small_study.study(uid=path.name)
    models.study.open_path(Path("first"))
    models.study.open_path(Path("second"))
    qtbot.waitUntil(lambda: not models.runner.tasks)
    assert models.study.series.uid == "second"
    assert models.study.path == Path("second")


def test_that_entered_values_are_passed_on_in_their_own_units(qtbot, opened):
    given = []

    def job(_path, overrides, _study_uid, _progress):
        given.append(dict(overrides))
        return small_study.study()

    opened.study._open_job = job
    with qtbot.waitSignal(opened.study.study_changed):
        opened.study.enter({"weight_kg": " 70,5 ", "dose_bq": "310", "height_m": ""})
    assert given == [{"weight_kg": 70.5, "dose_bq": 310e6}]
    assert opened.study.overrides == given[0]


def test_that_entering_nothing_is_refused(opened):
    with pytest.raises(InvalidInputError, match="at least one"):
        opened.study.enter({"weight_kg": " "})


def test_that_entered_values_make_results_stale(qtbot, with_aorta):
    models = with_aorta
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get("patlak") is not None)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.enter({"weight_kg": "70"})
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    assert models.results.get("patlak").is_stale


def test_that_a_confirmed_finding_counts_as_ready(qtbot, models):
    open_with(qtbot, models, CONFIRM)
    assert models.study.kinetics_verdict is Verdict.CONFIRM
    models.study.confirm("injection-time")
    assert models.study.kinetics_verdict is Verdict.READY


def test_that_a_refusal_cannot_be_confirmed_away(qtbot, models):
    open_with(qtbot, models, small_study.WEIGHT_MISSING)
    models.study.confirm("weight-missing")
    assert models.study.suv_verdict is Verdict.REFUSED
    assert models.study.kinetics_verdict is Verdict.READY


def test_that_closing_the_study_removes_everything_shown_of_it(qtbot, with_aorta):
    models = with_aorta
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get("patlak") is not None)
    models.study.close_study()
    assert models.views.image is None
    assert models.views.layers == ()
    assert models.results.all == ()
    assert models.rois.rois == ()


@pytest.mark.parametrize("text", ["heavy", "-3", "0", "nan", "inf", ""])
def test_that_an_impossible_number_is_refused_with_a_sentence(text):
    with pytest.raises(InvalidInputError, match="Body weight"):
        parse_entry(missing_value("weight_kg"), text)


def test_that_times_of_day_are_passed_on_as_text():
    assert parse_entry(missing_value("injection_time"), " 09:30:00 ") == "09:30:00"
