"""What may be written, and asking before anything is replaced."""

from dataclasses import replace

import pytest

from kiview.core.errors import ExportError
from kiview.core.study import Finding, Verdict
from kiview.jobs.export import ExportFormat


@pytest.fixture
def computed(qtbot, with_aorta):
    with_aorta.maps.compute()
    qtbot.waitUntil(lambda: not with_aorta.maps.is_running)
    return with_aorta


def test_that_nothing_can_be_written_before_a_map_is_computed(with_aorta, tmp_path):
    with_aorta.export.set_folder(tmp_path)
    assert "Compute" in with_aorta.export.why_not


def test_that_a_folder_and_a_format_are_asked_for(computed, tmp_path):
    assert "folder" in computed.export.why_not
    computed.export.set_folder(tmp_path)
    assert computed.export.why_not == ""
    for form in ExportFormat:
        computed.export.set_format(form, False)
    assert "format" in computed.export.why_not


def test_that_maps_are_written_and_the_place_told(qtbot, computed, tmp_path):
    computed.export.set_format(ExportFormat.DICOM, False)
    computed.export.set_folder(tmp_path)
    computed.export.export()
    qtbot.waitUntil(lambda: not computed.export.is_running)
    assert (tmp_path / "patlak_Ki.nii.gz").exists()
    assert (tmp_path / "patlak_Ki.json").exists()
    assert str(tmp_path) in computed.messages.current.text


def test_that_existing_files_are_replaced_only_after_a_yes(qtbot, computed, tmp_path):
    computed.export.set_format(ExportFormat.DICOM, False)
    computed.export.set_folder(tmp_path)
    mine = tmp_path / "patlak_Ki.json"
    mine.write_text("mine")
    with qtbot.waitSignal(computed.export.overwrite_asked) as asked:
        computed.export.export()
    assert asked.args[0] == ("patlak_Ki.json",)
    assert not computed.export.is_running
    assert mine.read_text() == "mine"
    computed.export.export(overwrite=True)
    qtbot.waitUntil(lambda: not computed.export.is_running)
    assert "patlak" in mine.read_text()


def test_that_a_stale_map_is_not_written(computed, tmp_path):
    computed.export.set_folder(tmp_path)
    computed.maps.set_window_min(20, 60)
    assert "out of date" in computed.export.why_not
    computed.export.export()
    assert not computed.export.is_running
    assert "out of date" in computed.messages.current.text


def test_that_a_failed_export_is_a_sentence(qtbot, computed, tmp_path):
    def fail(_request, _progress):
        raise ExportError("The disk is full.")

    computed.export._job = fail
    computed.export.set_folder(tmp_path)
    computed.export.export()
    qtbot.waitUntil(lambda: not computed.export.is_running)
    assert computed.messages.current.text == "The disk is full."
    assert computed.export.written == ()


def test_that_findings_about_the_study_go_into_the_files(computed, tmp_path):
    computed.export.set_folder(tmp_path)
    told = Finding("doubt", "The dose looks odd.", Verdict.CONFIRM)
    known = Finding("gap", "A gap.")
    computed.study.series = replace(computed.study.series, findings=(told, known))
    not_confirmed = ("The dose looks odd. Not confirmed by the user.", "A gap.")
    assert computed.export.request().findings == not_confirmed
    waiting = "1 finding is not confirmed; see Checks."
    assert computed.export.status == f"Ready to write. {waiting}"
    assert computed.maps.status.endswith(waiting)
    shown = []
    for model in (computed.maps, computed.export):
        model.changed.connect(lambda model=model: shown.append(model.status))
    computed.study.confirm("doubt")
    assert len(shown) >= 2
    assert not [status for status in shown if "confirmed" in status]
    assert computed.export.request().findings[0].endswith("Confirmed by the user.")
