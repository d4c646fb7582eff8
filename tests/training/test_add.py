import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from kitrain.__main__ import main
from kitrain.add import (
    FIELD_VOXELS,
    SLAB_SLICES,
    AddRequest,
    Material,
    groups_of,
    read_material,
)
from kitrain.case_files import Case, CaseError, ReferenceFile
from kitrain.group_file import load_group
from kitrain.groups import DIRECT, ActivityUnit, CurveSource, GroupError, Origin
from kitrain.people import GroupFolder
from kitrain.records import load_record, record_of
from kitrain.targets import INDEPENDENT
from kiview.core.errors import GeometryMismatchError, QuantityMismatchError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import ScaledFrameStore
from kiview.core.input_function import InputSource, from_samples
from kiview.core.progress import NullProgress
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY
from kiview.io.dicom_common import SeriesText
from kiview.io.dicom_pet_writer import Acquisition, DecayReference, write_dynamic_pet
from kiview.io.frame_store import VoxelCache
from kiview.io.nifti_writer import ras_affine_mm, write_nifti_volume
from kiview.nets import preprocess
from tests.helpers import small_study
from tests.helpers.results import INJECTED, PATIENT, header

RECORD = {
    "method": "nested EM",
    "quantity": "Ki",
    "unit": "mL/min/mL",
    "settings": {"iterations": 4, "operator": "Secret^Person", "window": "60"},
    "window_min": [25.0, 61.0],
}
WINDOW_S = (25 * 60.0, 61 * 60.0)


def true_ki(geometry):
    """Ki of the small study by its formula, /min; NaN outside the body."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in geometry.shape_zyx], indexing="ij"), -1)
    x, y, z = np.moveaxis(geometry.to_lps_mm(index), -1, 0)
    ki = np.where((x / 70) ** 2 + (y / 50) ** 2 < 1, small_study.KI["body"], np.nan)
    ki[(x + 35) ** 2 + y**2 + (z - 300) ** 2 < 18**2] = small_study.KI["lesion"]
    return ki.astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The small study as DICOM, its curve, and its true Ki as a reference."""
    folder = tmp_path_factory.mktemp("case")
    (folder / "study").mkdir()
    acquisition = Acquisition(
        header=header(),
        injection_time=INJECTED,
        reference=DecayReference.START,
        text=SeriesText(description="Dynamic", number=3),
    )
    late = small_study.timing().select(range(-9, 0))
    image = small_study.image(store=ScaledFrameStore(small_study.frames()[-9:]), timing=late)
    write_dynamic_pet(folder / "study", image, acquisition, NullProgress())
    time_s = np.concatenate([np.arange(0, 300, 1.0), np.arange(300, 3661, 10.0)])
    rows = zip(time_s, small_study.blood().at(time_s), strict=True)
    lines = ["time\tplasma_radioactivity", *(f"{t:g}\t{value:.9g}" for t, value in rows)]
    (folder / "plasma.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_reference(folder / "ki.nii.gz", RECORD)
    return folder


def write_reference(path, record, scale=1.0, geometry=None):
    geometry = geometry or small_study.geometry()
    values = (scale * true_ki(geometry)).astype(np.float32)
    write_nifti_volume(path, values, geometry, "Ki", NullProgress())
    if record is not None:
        text = json.dumps(record)
        path.with_name(path.name[:-7] + ".json").write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def request_for(files):
    def make(**changes):
        plain = AddRequest(files / "study", files / "plasma.tsv", files / "ki.nii.gz")
        return replace(plain, **changes)

    return make


@pytest.fixture
def folder(tmp_path):
    return GroupFolder(tmp_path / "groups")


@pytest.fixture
def added(request_for, folder, tmp_path):
    """Groups of a request."""

    def make(**changes):
        request = request_for(**changes)
        material = read_material(request, VoxelCache(tmp_path / "cache"))
        return groups_of(material, request, folder.salt())

    return make


def test_that_a_dicom_study_becomes_groups_whose_patlak_is_its_true_ki(added):
    groups = added()
    assert len(groups) == 50 // SLAB_SLICES + 1
    for group in groups:
        assert group.shape_zyx == (SLAB_SLICES, FIELD_VOXELS, FIELD_VOXELS)
        assert group.unit is ActivityUnit.ACTIVITY
        assert group.curve.source is CurveSource.SAMPLES
        assert group.identity.origin is Origin.ADDED
        assert group.truth is None
        assert group.timing.frame_count == 7
        assert (group.timing.start_s >= WINDOW_S[0] - 1).all()
    middle = groups[3]
    area_mm2 = np.pi * 70 * 50
    assert middle.body.mean() * (4 * FIELD_VOXELS) ** 2 == pytest.approx(area_mm2, rel=0.15)
    reference = middle.references[DIRECT].ki[0]
    inside = middle.body > 0
    assert reference[inside].min() >= small_study.KI["body"] * 0.5
    assert reference.max() == pytest.approx(small_study.KI["lesion"], rel=1e-3)


@pytest.mark.parametrize("source", list(InputSource))
def test_that_a_group_knows_who_made_its_curve(source, added, files, tmp_path):
    text = (files / "plasma.tsv").read_text(encoding="utf-8")
    (tmp_path / "plasma.tsv").write_text(text, encoding="utf-8")
    (tmp_path / "plasma.json").write_text(json.dumps({"source": str(source)}), encoding="utf-8")
    found = added(curve=tmp_path / "plasma.tsv")[0].curve.source
    expected = {
        InputSource.IMAGE: CurveSource.IMAGE,
        InputSource.POPULATION: CurveSource.POPULATION_SCALED,
        InputSource.SAMPLES: CurveSource.SAMPLES,
        InputSource.NETWORK: CurveSource.NETWORK,
    }
    assert found is expected[source]


def test_that_features_of_an_added_group_agree_with_its_reference(added, folder):
    folder.add(added())
    record = load_record(folder.paths()[3])
    lesion = record.references[DIRECT].ki[0] > 0.029
    quiet = (record.body > 0) & (np.abs(record.references[DIRECT].ki[0] - 0.005) < 1e-5)
    assert lesion.sum() > 50
    assert record.patlak_ki(0)[lesion].mean() == pytest.approx(0.03, rel=0.05)
    vessel_free = np.median(record.patlak_ki(0)[quiet])
    assert vessel_free == pytest.approx(0.005, rel=0.05)
    assert record.target_scale == 1.0


def test_that_no_name_and_no_number_of_the_patient_is_stored(added, folder):
    entries = folder.add(added())
    assert len({entry.subject for entry in entries}) == 1
    for path in folder.path.iterdir():
        content = path.read_bytes()
        for word in (PATIENT.patient_id, "Secret", "1.2.3.4"):
            assert word.encode() not in content, path.name
    assert load_group(folder.paths()[0]).references[DIRECT].settings == {"iterations": 4}


def test_that_one_person_is_the_same_for_one_user_and_another_for_the_next(added, tmp_path):
    first, again = added()[0].identity, added()[0].identity
    assert first == again
    other = GroupFolder(tmp_path / "others").salt()
    assert other.hidden(PATIENT.patient_id) != first.subject
    assert GroupFolder(tmp_path / "groups").salt().hidden(PATIENT.patient_id) == first.subject
    assert added(subject="somebody else")[0].identity.subject != first.subject


def test_that_a_damaged_secret_is_told_not_replaced(folder):
    folder.salt()
    (folder.path / "salt").write_text("abc", encoding="ascii")
    with pytest.raises(ReadError, match="salt is damaged"):
        folder.salt()


def test_that_a_scan_is_added_once(added, folder):
    folder.add(added())
    with pytest.raises(GroupError, match="was added before"):
        folder.add(added())


def test_that_what_cannot_be_stored_leaves_nothing(added, folder):
    groups = added()
    spoilt = replace(
        groups[1],
        references={DIRECT: replace(groups[1].references[DIRECT], network_id="ki-fdg-torso-1")},
    )
    with pytest.raises(GroupError.__base__, match="made by a network"):
        folder.add([groups[0], spoilt])
    assert [path.name for path in folder.path.iterdir()] == ["salt"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (None, "has no record"),
        (RECORD | {"network_id": "ki-fdg-torso-1"}, r"made by a network \(ki-fdg-torso-1\)"),
        (RECORD | {"method": "Network + tie"}, "would learn its own output"),
        (RECORD | {"weight_set_id": "abc"}, "made by a network"),
        (RECORD | {"quantity": "V0"}, "holds V0"),
        (RECORD | {"unit": "mL/min/100g"}, "in mL/min/100g"),
        (RECORD | {"window_min": [10.0, 30.0]}, "was made of 10-30 min"),
    ],
)
def test_that_a_reference_that_cannot_be_one_is_refused(added, tmp_path, record, told):
    path = write_reference(tmp_path / "other.nii.gz", record)
    with pytest.raises(CaseError, match=told):
        added(reference=path, window_s=WINDOW_S)


def test_that_a_reference_in_other_numbers_is_refused(added, tmp_path):
    path = write_reference(tmp_path / "other.nii.gz", RECORD, scale=100.0)
    with pytest.raises(CaseError, match=r"mean Ki of the reference \(direct\) is 0\.\d+ .*Patlak"):
        added(reference=path)


def test_that_a_reference_elsewhere_is_refused_and_a_coarser_one_resampled(added, tmp_path):
    grid = small_study.geometry()
    moved = grid.affine_lps_mm.copy()
    moved[0, 3] += 500.0
    away = VolumeGeometry(grid.shape_zyx, moved)
    path = write_reference(tmp_path / "away.nii.gz", RECORD, geometry=away)
    with pytest.raises(GeometryMismatchError, match="covers 0 %"):
        added(reference=path)
    fine = grid.affine_lps_mm @ np.diag([0.5, 0.5, 0.5, 1.0])
    halves = VolumeGeometry((80, 48, 64), fine)
    path = write_reference(tmp_path / "fine.nii.gz", RECORD, geometry=halves)
    ours, theirs = added()[3], added(reference=path)[3]
    both = (ours.body > 0) & (theirs.body > 0)
    difference = ours.references[DIRECT].ki[0][both] - theirs.references[DIRECT].ki[0][both]
    assert np.abs(difference).mean() < 2e-4


def test_that_an_independent_reference_is_kept_under_its_name(added, files):
    group = added(reference=None, independent=files / "ki.nii.gz")[0]
    assert list(group.references) == [INDEPENDENT]


def test_that_a_case_without_a_reference_or_with_another_unit_is_refused(added, files, tmp_path):
    with pytest.raises(CaseError, match="without a reference"):
        added(reference=None)
    text = (files / "plasma.tsv").read_text(encoding="utf-8")
    (tmp_path / "suv.tsv").write_text(text, encoding="utf-8")
    units = {"plasma_radioactivity": {"Units": "SUV"}}
    (tmp_path / "suv.json").write_text(json.dumps(units), encoding="utf-8")
    with pytest.raises(QuantityMismatchError, match="image is in Bq/mL"):
        added(curve=tmp_path / "suv.tsv")
    with pytest.raises(CaseError, match="has 1 frames between"):
        added(
            window_s=(55 * 60.0, 61 * 60.0),
            reference=write_reference(
                tmp_path / "free.nii.gz", {k: v for k, v in RECORD.items() if k != "window_min"}
            ),
        )


def test_that_the_command_adds_and_tells_without_saying_who(files, tmp_path, capsys):
    given = ["--curve", str(files / "plasma.tsv"), "--reference", str(files / "ki.nii.gz")]
    groups = ["--groups", str(tmp_path / "groups")]
    assert main(["add", str(files / "study"), *given, *groups]) == 0
    said = capsys.readouterr().out
    assert "added 7 groups" in said
    assert PATIENT.patient_id not in said
    assert main(["add", str(files / "study"), *given, *groups]) == 1
    assert "was added before" in capsys.readouterr().err
    two = [str(files / "study")] * 2
    assert main(["add", *two, *given, *groups]) == 1
    assert "2 studies but 1 files for --curve" in capsys.readouterr().err


def test_that_a_folder_without_a_dynamic_series_is_told(added, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="holds no image"):
        added(study=tmp_path / "empty")


def test_that_a_nifti_study_without_a_patient_needs_to_be_told_who(added, tmp_path):
    """The same frames as a NIfTI file: the same groups, but nobody's."""
    times = small_study.timing().select(range(-9, 0))
    grid = small_study.geometry()
    voxels = np.transpose(small_study.frames()[-9:], (3, 2, 1, 0))
    image = nibabel.Nifti1Image(voxels, ras_affine_mm(grid))
    (tmp_path / "study").mkdir()
    nibabel.save(image, tmp_path / "study" / "pet.nii.gz")
    sidecar = {
        "Modality": "PT",
        "Units": "Bq/mL",
        "TracerName": "FDG",
        "TracerRadionuclide": "F18",
        "InjectedRadioactivity": 310.0,
        "InjectedRadioactivityUnits": "MBq",
        "TimeZero": "10:00:00",
        "ScanStart": 0,
        "InjectionStart": 0,
        "FrameTimesStart": times.start_s.tolist(),
        "FrameDuration": times.duration_s.tolist(),
        "ImageDecayCorrected": True,
        "ImageDecayCorrectionTime": 0,
    }
    text = json.dumps(sidecar)
    (tmp_path / "study" / "pet.json").write_text(text, encoding="utf-8")
    with pytest.raises(CaseError, match="tell people apart with --subject"):
        added(study=tmp_path / "study")
    ours, theirs = added()[3], added(study=tmp_path / "study", subject="one")[3]
    np.testing.assert_allclose(theirs.frames, ours.frames, rtol=1e-3, atol=2.0)
    assert theirs.identity.subject != ours.identity.subject


def test_that_slices_with_times_of_their_own_keep_them(request_for, folder):
    """A bed after the other: every slice is measured when its bed is; Ki is everywhere the same."""
    grid, curve = small_study.geometry(), small_study.blood()
    depth = grid.shape_zyx[0]
    shift = np.where(np.arange(depth) < depth // 2, 0.0, 150.0)
    start = 1500.0 + 300.0 * np.arange(7)[:, None] + shift
    timing = FrameTiming(start, np.full(start.shape, 120.0))
    basis = preprocess.frame_input(timing, curve.integral, 6586.2)
    body = np.isfinite(true_ki(grid))
    values = 0.01 * basis.integral_min + 0.4 * basis.mean
    frames = (values[:, :, None, None] * body).astype(np.float32)
    image = small_study.image(store=ScaledFrameStore(frames), timing=timing)
    known = np.where(body, 0.01, np.nan).astype(np.float32)
    input_function = from_samples(*_samples(curve), ACTIVITY)
    references = {DIRECT: ReferenceFile(known, "formula", {}, None)}
    material = Material(Case(image, "one", "1.2", ()), input_function, references)
    groups = groups_of(material, request_for(window_s=(24 * 60.0, 62 * 60.0)), folder.salt())
    assert len(groups) == 50 // SLAB_SLICES + 1
    for group in groups:
        assert group.timing.start_s.shape == (7, SLAB_SLICES)
        record = record_of(group)
        inside = ndimage.binary_erosion(record.body[0] > 0, iterations=2)
        for z in range(SLAB_SLICES):
            np.testing.assert_allclose(record.patlak_ki(0)[z][inside], 0.01, rtol=2e-3)


def _samples(curve):
    time_s = np.concatenate([np.arange(0, 300, 1.0), np.arange(300, 3661, 5.0)])
    return time_s, curve.at(time_s)
