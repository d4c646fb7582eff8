"""Exporting results: names, refusals, nothing half-written."""

import dataclasses
import errno
import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import asymmetric_phantom, axial_affine
from tests.helpers.results import (
    MODIFIED,
    PATIENT,
    header,
    ki_map,
    map_set,
    provenance,
)

from kiview.core.errors import ExportError, InvalidInputError, ReadError, StaleResultError
from kiview.core.images import MapSet, RecordFile
from kiview.core.input_function import from_samples
from kiview.core.patlak import PatlakSettings
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.units import ACTIVITY, UNKNOWN
from kiview.io.dicom_pet_map import write_pet_map
from kiview.jobs.compute_patlak import PatlakRequest, compute_patlak
from kiview.jobs.export import (
    ExportFormat,
    ExportRequest,
    export_input_function,
    export_maps,
)
from kiview.jobs.open_study import OpenRequest, open_study

INPUT = from_samples([0.0, 10.0, 3600.0], [0.0, 9e4, 1e3], ACTIVITY)
EVERY_FORMAT = tuple(ExportFormat)


def request(folder, **changes):
    record = {
        "results": (map_set(),),
        "formats": EVERY_FORMAT,
        "patient": PATIENT,
        "input_function": INPUT,
    }
    return ExportRequest(folder=folder, **(record | changes))


def all_names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_that_every_format_gets_the_promised_names(tmp_path):
    written = export_maps(request(tmp_path / "out"), NullProgress())
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(path.name for path in written)
    assert names == [
        "input_function.json",
        "input_function.tsv",
        "patlak_Ki.json",
        "patlak_Ki.nii.gz",
        "patlak_Ki_dicom",
        "patlak_Ki_pm.dcm",
        "patlak_V0.json",
        "patlak_V0.nii.gz",
        "patlak_V0_dicom",
        "patlak_V0_pm.dcm",
    ]
    assert len(list((tmp_path / "out" / "patlak_Ki_dicom").iterdir())) == 5


def test_that_no_file_name_and_no_sidecar_holds_patient_data(tmp_path):
    export_maps(request(tmp_path / "out"), NullProgress())
    for path in (tmp_path / "out").rglob("*"):
        content = path.name + (path.read_text() if path.suffix in (".json", ".tsv") else "")
        assert "Secret" not in content
        assert "4711" not in content


def test_that_all_dicom_objects_of_an_export_belong_to_one_study(tmp_path):
    export_maps(request(tmp_path / "out"), NullProgress())
    files = [pydicom.dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
    assert len(files) == 2 * 5 + 2
    assert len({one.StudyInstanceUID for one in files}) == 1
    assert len({one.SeriesInstanceUID for one in files}) == 4
    assert len({one.SeriesNumber for one in files}) == 4
    assert {str(one.PatientName) for one in files} == {"Secret^Patient"}


def test_that_patient_and_study_come_from_the_first_dicom_source(tmp_path):
    (tmp_path / "source").mkdir()
    source = write_pet_map(tmp_path / "source", ki_map(), header(), 1, NullProgress())
    changed = pydicom.dcmread(source[0])
    changed.PatientID = "another"
    changed.save_as(source[0])
    names = ("notes.nii.gz", *map(str, source))
    export_maps(request(tmp_path / "out", source_files=names), NullProgress())
    written = pydicom.dcmread(tmp_path / "out" / "patlak_V0_pm.dcm")
    assert written.PatientID == "another"
    assert written.StudyInstanceUID == changed.StudyInstanceUID


def test_that_a_sidecar_is_not_taken_for_a_dicom_source(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.float32), np.eye(4))
    nibabel.save(image, tmp_path / "pet.nii")
    (tmp_path / "pet.json").write_text("{}", encoding="utf-8")
    names = tuple(str(tmp_path / name) for name in ("pet.nii", "pet.json"))
    export_maps(request(tmp_path / "out", source_files=names), NullProgress())
    assert (tmp_path / "out" / "patlak_V0_pm.dcm").is_file()


def test_that_a_source_that_is_gone_is_told_and_nothing_written(tmp_path):
    lost = request(tmp_path / "out", source_files=(str(tmp_path / "gone.dcm"),))
    with pytest.raises(ReadError, match=r"gone\.dcm"):
        export_maps(lost, NullProgress())
    assert all_names(tmp_path) == []


def test_that_nifti_needs_no_source(tmp_path):
    gone = (str(tmp_path / "gone.dcm"),)
    nifti = request(tmp_path / "out", source_files=gone, formats=(ExportFormat.NIFTI,))
    export_maps(nifti, NullProgress())
    values = nibabel.load(tmp_path / "out" / "patlak_Ki.nii.gz").get_fdata(dtype=np.float32)
    np.testing.assert_array_equal(values.T, ki_map().values)
    sidecar = json.loads((tmp_path / "out" / "patlak_V0.json").read_text(encoding="utf-8"))
    assert sidecar["findings"] == ["The first frame was late."]


def test_that_two_methods_lie_side_by_side(tmp_path):
    both = (map_set(), map_set(MODIFIED))
    written = export_maps(
        request(tmp_path, results=both, formats=(ExportFormat.NIFTI,)), NullProgress()
    )
    assert {"patlak_Ki.nii.gz", "network_Ki.nii.gz"} <= {path.name for path in written}


def test_that_two_runs_of_one_method_are_refused(tmp_path):
    with pytest.raises(ExportError, match="same file names"):
        export_maps(request(tmp_path, results=(map_set(), map_set())), NullProgress())


def test_that_stale_results_are_refused(tmp_path):
    with pytest.raises(StaleResultError, match="compute them again"):
        export_maps(request(tmp_path / "out", stale=True), NullProgress())
    assert all_names(tmp_path) == []


def test_that_a_file_in_the_way_is_refused_before_any_work(tmp_path):
    (tmp_path / "patlak_V0.json").write_text("mine", encoding="utf-8")
    steps = []
    progress = CallbackProgress(lambda *step: steps.append(step))
    with pytest.raises(ExportError, match=r"patlak_V0\.json exists already"):
        export_maps(request(tmp_path), progress)
    assert not steps
    assert all_names(tmp_path) == ["patlak_V0.json"]


def test_that_overwriting_has_to_be_asked_for(tmp_path):
    (tmp_path / "patlak_V0.json").write_text("mine", encoding="utf-8")
    export_maps(request(tmp_path, overwrite=True), NullProgress())
    assert (tmp_path / "patlak_V0.json").read_text(encoding="utf-8") != "mine"
    assert not [name for name in all_names(tmp_path) if name.startswith(".")]


def steps_of(folder) -> int:
    count = 0

    def counted(*_):
        nonlocal count
        count += 1

    export_maps(request(folder), CallbackProgress(counted))
    return count


def test_that_a_stop_at_any_step_leaves_nothing(tmp_path):
    total = steps_of(tmp_path / "whole")
    for allowed in range(total):
        left = iter([False] * allowed)
        progress = CallbackProgress(lambda *_: None, lambda left=left: next(left, True))
        with pytest.raises(Cancelled):
            export_maps(request(tmp_path / "out"), progress)
        assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_that_progress_only_moves_forward_to_one(tmp_path):
    seen = []
    export_maps(request(tmp_path / "out"), CallbackProgress(lambda f, _: seen.append(f)))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("stage", ["open", "write_text", "mkdir"])
def test_that_a_full_disk_at_any_stage_leaves_nothing(tmp_path, monkeypatch, stage):
    original = getattr(Path, stage)
    calls = 0

    def full_after_three(self, *args, **kwargs):
        nonlocal calls
        if self.is_relative_to(tmp_path):
            calls += 1
            if calls > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, stage, full_after_three)
    with pytest.raises(ExportError, match="is full; nothing was written"):
        export_maps(request(tmp_path / "out"), NullProgress())
    monkeypatch.undo()
    assert all_names(tmp_path) == []


@pytest.mark.parametrize("form", [ExportFormat.DICOM, ExportFormat.PARAMETRIC_MAP])
def test_that_a_disk_that_fills_up_inside_a_dicom_file_is_told(tmp_path, monkeypatch, form):
    def full(*_args, **_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pydicom.filewriter.write_data_element", full)
    with pytest.raises(ExportError, match="is full; nothing was written") as caught:
        export_maps(request(tmp_path / "out", formats=(form,)), NullProgress())
    assert "Traceback" not in str(caught.value)
    monkeypatch.undo()
    assert all_names(tmp_path) == []


def test_that_a_map_dicom_cannot_hold_stops_the_whole_export(tmp_path):
    odd = MapSet((ki_map(), ki_map(quantity=UNKNOWN)))
    with pytest.raises(ExportError, match="export NIfTI"):
        export_maps(request(tmp_path / "out", results=(odd,)), NullProgress())
    assert all_names(tmp_path) == []


@pytest.mark.parametrize("changes", [{"results": ()}, {"formats": ()}])
def test_that_an_export_of_nothing_is_refused(tmp_path, changes):
    with pytest.raises(InvalidInputError, match="at least one map and one format"):
        request(tmp_path, **changes)


def test_that_an_input_function_alone_is_written_whole(tmp_path):
    written = export_input_function(tmp_path / "curves" / "input.tsv", INPUT, 3600.0)
    assert [path.name for path in written] == ["input.tsv", "input.json"]
    assert all(path.is_file() for path in written)
    with pytest.raises(ExportError, match=r"input\.tsv and 1 more exist already"):
        export_input_function(tmp_path / "curves" / "input.tsv", INPUT, 3600.0)
    export_input_function(tmp_path / "curves" / "input.tsv", INPUT, 3600.0, overwrite=True)


def test_that_the_weights_mark_survives_in_a_modified_run_only(tmp_path):
    for made_by, marked in ((MODIFIED, True), (provenance(), False)):
        folder = tmp_path / made_by.method
        export_maps(request(folder, results=(map_set(made_by),)), NullProgress())
        series = pydicom.dcmread(folder / f"{made_by.method}_Ki_pm.dcm").SeriesDescription
        assert series.endswith("MOD") is marked


def test_that_files_a_record_refers_to_lie_beside_it_and_only_there(tmp_path):
    run = dataclasses.replace(map_set(MODIFIED), record_files=(RecordFile("weights.x", b"abc"),))
    for form, there in ((ExportFormat.NIFTI, True), (ExportFormat.DICOM, False)):
        folder = tmp_path / form
        written = export_maps(request(folder, results=(run,), formats=(form,)), NullProgress())
        assert (folder / "weights.x").exists() is there
        assert ("weights.x" in {path.name for path in written}) is there
    assert (tmp_path / "nifti" / "weights.x").read_bytes() == b"abc"


def test_that_a_modified_nifti_says_so_in_its_own_header(tmp_path):
    export_maps(request(tmp_path, results=(map_set(MODIFIED),)), NullProgress())
    header = nibabel.load(tmp_path / "network_Ki.nii.gz").header
    assert bytes(header["descrip"].item()).decode().endswith("RUO MOD")


# What the user entered

STARTS = ",".join(str(60 * t) for t in range(69))
GIVEN = {
    "weight_kg": 70.0,
    "dose_bq": 310123456.0,
    "injection_time": "09:30:00",
    "frame_start_s": STARTS,
    "frame_duration_s": ",".join(["60"] * 69),
}


def entered(**changes) -> MapSet:
    return map_set(provenance(user_given=GIVEN, **changes))


def test_that_entered_values_are_whole_in_every_json(tmp_path):
    export_maps(request(tmp_path / "out", results=(entered(),)), NullProgress())
    for name in ("patlak_Ki.json", "patlak_V0.json", "input_function.json"):
        assert json.loads((tmp_path / "out" / name).read_text())["user_given"] == GIVEN, name


def test_that_nothing_entered_leaves_the_curve_without_a_word_of_it(tmp_path):
    export_maps(request(tmp_path / "out"), NullProgress())
    assert "user_given" not in json.loads((tmp_path / "out" / "input_function.json").read_text())


def test_that_entered_values_are_told_in_every_dicom_object_however_long_the_rest(tmp_path):
    inputs = {"input_function": {"description": "a long story " * 200}}
    export_maps(request(tmp_path / "out", results=(entered(inputs=inputs),)), NullProgress())
    files = [pydicom.dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
    assert len(files) == 2 * 5 + 2
    for one in files:
        told = one.ContributingEquipmentSequence[-1].ContributionDescription
        assert len(told) <= 1024
        assert "Entered by the user: weight_kg=70, dose_bq=310123456," in told
        assert "injection_time=09:30:00" in told
        assert "frame_start_s=0..4080 s (69 frames)" in told
        assert "frame_duration_s=60..60 s (69 frames)" in told


def test_that_values_entered_at_opening_reach_the_written_files(tmp_path):
    activity = asymmetric_phantom((4, 5, 6), 3)
    times = [0.0, 60.0, 120.0], [60.0, 60.0, 60.0]
    write_dynamic_series(tmp_path / "pet", "siemens", activity, axial_affine(), *times)
    given = {"weight_kg": 81.5, "frame_start_s": "0,61,122", "frame_duration_s": "61,61,61"}
    study = open_study(OpenRequest(tmp_path / "pet", given))
    settings = PatlakSettings(0.0, 200.0)
    made = compute_patlak(PatlakRequest(study.series[0].image, INPUT, settings), NullProgress())
    sources = study.series[0].source_files
    export_maps(request(tmp_path / "out", results=(made,), source_files=sources), NullProgress())
    record = json.loads((tmp_path / "out" / "patlak_Ki.json").read_text())
    assert record["user_given"] == given
    written = pydicom.dcmread(tmp_path / "out" / "patlak_Ki_pm.dcm")
    told = written.ContributingEquipmentSequence[-1].ContributionDescription
    assert "weight_kg=81.5" in told
    assert "frame_start_s=0..122 s (3 frames)" in told
