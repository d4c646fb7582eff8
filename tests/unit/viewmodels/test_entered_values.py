"""Values the user enters: told, compared with the files', applied, taken back."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers import small_study

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.study import Fact, Finding, Verdict
from kiview.viewmodels.missing_values import by_you, entered_text, missing_value, parse_entry

INJECTION = Finding(
    "injection-is-scan-start", "Same time.", Verdict.CONFIRM, Verdict.CONFIRM, ("injection_time",)
)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def obedient(qtbot, models, asked):
    """With a study open whose reader takes what is entered."""
    made = small_study.study((small_study.WEIGHT_MISSING, INJECTION))
    facts = (Fact("time-zero", "Injection (time zero)", "09:30:00", "Start Time"),)
    series = replace(made.series[0], facts=facts, file_units="BQML")
    made = replace(made, series=(series,))
    models.study._open_job = small_study.obedient_job(made, asked)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    settle(qtbot, models)
    return models


def settle(qtbot, models):
    qtbot.waitUntil(lambda: not models.study.is_opening)
    qtbot.waitUntil(lambda: not models.runner.tasks)


def apply(qtbot, models, **texts):
    for name, text in texts.items():
        models.patient_form.set_text(name, text)
    models.patient_form.apply()
    settle(qtbot, models)


def row(models, name):
    return next(row for row in models.patient_form.rows if row.value.name == name)


# In words


def test_that_entered_values_are_told_in_the_units_people_use():
    given = {"half_life_s": 6586.2, "dose_bq": 3.105e8, "weight_kg": 70.0, "height_m": 1.75}
    assert entered_text(given.items()) == (
        "weight 70 kg · height 1.75 m · activity 310.5 MBq · half-life 109.77 min"
    )


def test_that_entered_frame_times_are_counted_once():
    given = (("frame_start_s", "0,60,120"), ("frame_duration_s", "60,60,60"))
    assert by_you(given) == "values entered by you: times of 3 frames"
    series = ("frame_series", "1.2.3")
    assert by_you((*given, series)) == by_you(given)


def test_that_nothing_entered_is_told_by_nothing():
    assert by_you(()) == ""


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("weight_kg", "7000", "Body weight cannot be 7000 kg; enter a value from 0.2 to 700 kg"),
        ("height_m", "175", "Body height cannot be 175 m; enter a value from 0.2 to 2.8 m"),
        ("dose_bq", "9e9", "cannot be 9000000000 MBq; enter a value from 0.001 to 1000000 MBq"),
        ("injection_time", "half past nine", "'half past nine' is no time; enter hh:mm:ss"),
        ("injection_time", "25:00:00", "is no time"),
    ],
)
def test_that_a_value_beyond_its_limits_is_refused_in_its_own_unit(name, text, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        parse_entry(missing_value(name), text)


# Applying and undoing


def test_that_the_form_shows_what_the_files_say(obedient):
    assert row(obedient, "weight_kg").from_files == "not in the files"
    assert row(obedient, "dose_bq").from_files == "310 MBq"
    assert row(obedient, "half_life_s").from_files == "109.77 min"
    assert row(obedient, "injection_time").from_files == "09:30:00"
    assert row(obedient, "injection_time").source == "Start Time"
    assert row(obedient, "units").from_files == "BQML"
    assert row(obedient, "decay_correction").from_files == "as the files say"
    assert obedient.patient_form.why_not == "Nothing was changed."


def test_that_the_files_value_stays_beside_the_users_own(qtbot, obedient):
    apply(qtbot, obedient, dose_bq="300")
    assert obedient.study.image.injection.activity_bq == 3e8
    shown = row(obedient, "dose_bq")
    assert (shown.from_files, shown.text, shown.is_given) == ("310 MBq", "300", True)


def test_that_one_apply_passes_on_every_entry_in_its_own_unit(qtbot, obedient, asked):
    apply(qtbot, obedient, weight_kg="70,5", half_life_s="20.4", injection_time="10:35:00")
    assert asked[-1] == {"weight_kg": 70.5, "half_life_s": 1224.0, "injection_time": "10:35:00"}
    assert row(obedient, "weight_kg").text == "70.5"
    assert not obedient.patient_form.is_edited


def test_that_a_wrong_entry_is_told_while_typed_and_nothing_is_read(obedient, asked):
    obedient.patient_form.set_text("weight_kg", "7000")
    assert "0.2 to 700 kg" in obedient.patient_form.problem
    with pytest.raises(InvalidInputError, match=r"0\.2 to 700 kg"):
        obedient.patient_form.apply()
    assert len(asked) == 1
    obedient.patient_form.set_text("weight_kg", "70")
    assert obedient.patient_form.problem == ""


def test_that_an_emptied_entry_takes_the_files_value_again(qtbot, obedient, asked):
    apply(qtbot, obedient, dose_bq="300", weight_kg="70")
    obedient.patient_form.reset("dose_bq")
    obedient.patient_form.apply()
    settle(qtbot, obedient)
    assert asked[-1] == {"weight_kg": 70.0}
    obedient.patient_form.reset_all()
    obedient.patient_form.apply()
    settle(qtbot, obedient)
    assert asked[-1] == {}
    assert obedient.study.image.injection.activity_bq == 3.1e8


def test_that_entered_values_are_undone_and_redone_with_everything_else(qtbot, obedient):
    models = obedient
    apply(qtbot, models, weight_kg="70")
    models.rois.add(small_study.aorta(), "Aorta")
    apply(qtbot, models, weight_kg="80")
    seen = []
    while models.undo.can_undo:
        models.undo.undo()
        settle(qtbot, models)
        seen.append((dict(models.study.overrides), len(models.rois.rois)))
    assert seen == [({"weight_kg": 70.0}, 1), ({"weight_kg": 70.0}, 0), ({}, 0)]
    seen.clear()
    while models.undo.can_redo:
        models.undo.redo()
        settle(qtbot, models)
        seen.append((dict(models.study.overrides), len(models.rois.rois)))
    assert seen == [({"weight_kg": 70.0}, 0), ({"weight_kg": 70.0}, 1), ({"weight_kg": 80.0}, 1)]


def test_that_two_quick_undos_take_back_two_steps(qtbot, obedient):
    apply(qtbot, obedient, weight_kg="70")
    apply(qtbot, obedient, weight_kg="80")
    obedient.overrides.undo()
    obedient.overrides.undo()
    settle(qtbot, obedient)
    assert obedient.study.overrides == {}
    assert not obedient.overrides.can_undo
    obedient.overrides.redo()
    settle(qtbot, obedient)
    assert obedient.study.overrides == {"weight_kg": 70.0}


def test_that_a_result_is_fresh_again_once_the_value_is_taken_back(qtbot, obedient):
    models = obedient
    models.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get("patlak") is not None)
    apply(qtbot, models, weight_kg="70")
    assert models.results.get("patlak").is_stale
    models.undo.undo()
    settle(qtbot, models)
    qtbot.waitUntil(lambda: not models.results.get("patlak").is_stale)


def test_that_values_which_cannot_be_read_change_nothing(qtbot, obedient):
    def fail(*_asked):
        raise ReadError("The disk is gone.")

    apply(qtbot, obedient, weight_kg="70")
    works, obedient.study._open_job = obedient.study._open_job, fail
    obedient.overrides.undo()
    settle(qtbot, obedient)
    assert obedient.study.overrides == {"weight_kg": 70.0}
    assert obedient.overrides.can_undo
    assert not obedient.overrides.can_redo
    obedient.study._open_job = works
    obedient.overrides.undo()
    settle(qtbot, obedient)
    assert obedient.study.overrides == {}


def test_that_another_study_begins_without_values_or_steps(qtbot, obedient, asked):
    apply(qtbot, obedient, weight_kg="70")
    with qtbot.waitSignal(obedient.study.study_changed):
        obedient.study.open_path(Path("other"))
    settle(qtbot, obedient)
    assert asked[-1] == {}
    assert not obedient.overrides.can_undo
    assert row(obedient, "weight_kg").text == ""


def test_that_a_value_of_one_patient_is_never_used_for_another(qtbot, obedient, asked):
    apply(qtbot, obedient, weight_kg="70")
    works = obedient.study._open_job

    def needs_dose(path, overrides, study_uid, progress):
        if path == Path("other") and "dose_bq" not in (overrides or {}):
            raise ReadError("No dose.")
        return works(path, overrides, study_uid, progress)

    obedient.study._open_job = needs_dose
    with qtbot.waitSignal(obedient.study.open_failed):
        obedient.study.open_path(Path("other"))
    obedient.study.enter({"dose_bq": "300"})
    settle(qtbot, obedient)
    assert asked[-1] == {"dose_bq": 3e8}
    assert obedient.study.path == Path("other")


def test_that_entries_that_wait_survive_an_apply_elsewhere(qtbot, obedient):
    obedient.patient_form.set_text("weight_kg", "70")
    obedient.frame_table.shift("5")
    obedient.frame_table.apply()
    settle(qtbot, obedient)
    assert row(obedient, "weight_kg").text == "70"
    assert obedient.patient_form.is_edited
    assert "weight_kg" not in obedient.study.overrides


def test_that_what_was_confirmed_stays_confirmed_where_nothing_about_it_changed(qtbot, obedient):
    obedient.study.confirm(INJECTION.code)
    apply(qtbot, obedient, weight_kg="70")
    assert obedient.study.confirmed == {INJECTION.code}
    assert obedient.study.kinetics_verdict is Verdict.READY


def test_that_the_shown_series_stays_shown_when_values_are_entered(qtbot, models):
    made = small_study.study()
    other = replace(made.series[0], uid="9.9", image=small_study.image(series_uid="9.9"))
    made = replace(made, series=(*made.series, other))
    models.study._open_job = small_study.obedient_job(made)
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("two"))
    models.study.show_series("9.9")
    apply(qtbot, models, weight_kg="70")
    assert models.study.series.uid == "9.9"
    assert models.patient_form.note == ""
    models.patient_form.set_text("weight_kg", "75")
    assert models.patient_form.note == (
        "These values will hold for all 2 PET series of this study."
    )


def test_that_a_curve_file_stays_in_use_when_a_value_is_entered(qtbot, obedient, tmp_path):
    file = tmp_path / "blood.tsv"
    file.write_text("time\tplasma_radioactivity\n0\t0\n10\t90000\n3600\t1000\n")
    file.with_suffix(".json").write_text(
        '{"time": {"Units": "s"}, "plasma_radioactivity": {"Units": "Bq/mL"}}'
    )
    obedient.input_function.load_file(file)
    qtbot.waitUntil(lambda: obedient.input_function.input_function is not None)
    apply(qtbot, obedient, weight_kg="70")
    assert obedient.input_function.file == file
    assert obedient.input_function.input_function is not None


# On results


def test_that_views_maps_and_exports_tell_entered_values(qtbot, obedient, tmp_path):
    models = obedient
    apply(qtbot, models, weight_kg="70")
    models.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get("patlak") is not None)
    told = "values entered by you: weight 70 kg"
    assert models.views.layer("image").entered == told
    assert models.views.layer("patlak").entered == told
    assert "Values entered by you: weight 70 kg." in models.maps.status
    assert told in models.export.warnings("patlak")
    models.study.confirm(INJECTION.code)
    models.export.set_folder(tmp_path)
    request = models.export.request()
    assert request.results[0].provenance.user_given == {"weight_kg": 70.0}
    assert request.findings == ("Same time. Confirmed by the user.",)


def test_that_a_result_tells_the_values_it_was_made_with_not_those_of_now(qtbot, obedient):
    models = obedient
    apply(qtbot, models, weight_kg="70")
    models.rois.add(small_study.aorta(), "Aorta")
    qtbot.waitUntil(lambda: models.input_function.input_function is not None)
    models.maps.compute()
    qtbot.waitUntil(lambda: models.results.get("patlak") is not None)
    apply(qtbot, models, weight_kg="80")
    assert models.views.layer("image").entered == "values entered by you: weight 80 kg"
    assert models.views.layer("patlak").entered == "values entered by you: weight 70 kg"
    assert models.views.layer("patlak").stale
