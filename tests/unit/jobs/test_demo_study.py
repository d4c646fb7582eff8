"""The demo study is made once, whole or not at all, and describes its own truth."""

import numpy as np
import pydicom
import pytest

from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.jobs.demo_study import ensure_demo_study, find_aorta, read_description
from kiview.simulate.scan import ScanConfig

SMALL = ScanConfig(
    frame_seconds=(60.0, 600.0), slices=6, slice_mm=16.0, middle_z_mm=40.0, pixels=32,
    pixel_mm=16.0, angles=16, iterations=1, subsets=4, slices_per_chunk=3,
)  # fmt: skip


@pytest.fixture
def study(tmp_path):
    return ensure_demo_study(tmp_path / "demo", NullProgress(), SMALL)


def test_that_the_demo_study_holds_a_dynamic_pet_and_an_attenuation_series(study):
    pet = [pydicom.dcmread(path, stop_before_pixels=True) for path in (study / "pet").iterdir()]
    ct = [pydicom.dcmread(path) for path in (study / "ct").iterdir()]
    assert len(pet) == 2 * 6
    assert len(ct) == 6
    assert {image.SeriesType[0] for image in pet} == {"DYNAMIC"}
    assert {image.StudyInstanceUID for image in pet} == {image.StudyInstanceUID for image in ct}
    assert {image.FrameOfReferenceUID for image in pet} == {ct[0].FrameOfReferenceUID}
    assert min(image.pixel_array.min() for image in ct) == -1000


def test_that_the_description_tells_aorta_blood_and_lesions(study):
    aorta = find_aorta(study)
    assert aorta is not None
    assert aorta.radius_mm == 6
    truth = read_description(study)
    assert truth["blood"]["duration_s"] == [60, 600]
    assert np.all(np.array(truth["blood"]["mean"]) > 0)
    large = truth["lesions"][truth["large_lesion"]]
    assert large["diameter_mm"] >= 30
    assert large["ki_per_min"] > 0


def test_that_a_made_study_is_kept_and_another_scan_replaces_it(study):
    made = {path.name: path.stat().st_mtime_ns for path in (study / "pet").iterdir()}
    ensure_demo_study(study, NullProgress(), SMALL)
    assert {p.name: p.stat().st_mtime_ns for p in (study / "pet").iterdir()} == made
    ensure_demo_study(study, NullProgress(), SMALL, seed=11)
    assert read_description(study)["made_by"]["seed"] == 11
    assert sorted(path.name for path in study.parent.iterdir()) == ["demo"]


@pytest.mark.parametrize("moment", ["", "Writing frame 2"])
def test_that_a_stopped_demo_leaves_nothing(tmp_path, moment):
    told = []
    progress = CallbackProgress(
        lambda _f, message: told.append(message),
        lambda: bool(told) and told[-1].startswith(moment),
    )
    with pytest.raises(Cancelled):
        ensure_demo_study(tmp_path / "demo", progress, SMALL)
    assert list(tmp_path.iterdir()) == []


def test_that_another_folder_has_no_demo_aorta(tmp_path):
    assert find_aorta(tmp_path) is None
