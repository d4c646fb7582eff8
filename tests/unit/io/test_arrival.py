"""Frames are shown while a study is read: late ones first, never a value that was not read."""

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine

from kiview.core.arriving import ArrivingImage
from kiview.core.errors import ReadError
from kiview.core.progress import Cancelled, Progress
from kiview.jobs.open_study import OpenRequest, open_study

START_S, DURATION_S = [0.0, 60.0, 120.0, 180.0], [60.0] * 4


class Watcher(Progress):
    """Looks at each frame as soon as it is offered, as a view would.

    Attributes:
        order: Frames in the order they came.
        seen: Frame -> its values when it came.
        missing: (frame, share of NaN) of frames that had not come at that time.
    """

    def __init__(self, stop_after: int = 99) -> None:
        self.order, self.seen, self.missing = [], {}, []
        self.last = None
        self._stop_after = stop_after

    def step(self, _fraction, _message):
        if len(self.order) >= self._stop_after:
            raise Cancelled

    def offer(self, early) -> bool:
        assert isinstance(early, ArrivingImage)
        (new,) = early.frames - set(self.order)
        self.order.append(new)
        store = early.image.store
        self.seen[new] = store.frame(new)
        self.missing += [
            float(np.isnan(store.frame(t)).mean())
            for t in range(early.image.frame_count)
            if t not in early.frames
        ]
        self.last = early
        return True


def write_study(folder: Path) -> np.ndarray:
    activity = asymmetric_phantom()
    write_dynamic_series(
        folder, "ge", activity, axial_affine(), START_S, DURATION_S, quantum_bqml=QUANTUM_BQML
    )
    return activity


def read(folder: Path, cache: Path, watcher: Watcher, memory_limit_bytes: int = 0):
    return open_study(OpenRequest(folder, {}, cache, memory_limit_bytes), watcher)


def test_that_late_frames_come_first_with_the_values_of_the_phantom(tmp_path):
    activity = write_study(tmp_path / "s")
    watcher = Watcher()
    study = read(tmp_path / "s", tmp_path / "cache", watcher)
    assert watcher.order == [3, 2, 1, 0]
    for t, frame in watcher.seen.items():
        np.testing.assert_allclose(frame, activity[t], atol=QUANTUM_BQML, rtol=1e-4)
        np.testing.assert_array_equal(frame, study.series[0].image.store.frame(t))
    assert set(watcher.missing) == {1.0}


def test_that_an_image_shown_early_has_the_meaning_of_the_whole_one(tmp_path):
    write_study(tmp_path / "s")
    watcher = Watcher()
    whole = read(tmp_path / "s", tmp_path / "cache", watcher).series[0].image
    early = watcher.last.image
    assert (early.series_uid, early.quantity, early.suv_factor) == (
        whole.series_uid,
        whole.quantity,
        whole.suv_factor,
    )
    np.testing.assert_array_equal(early.timing.start_s, whole.timing.start_s)
    assert early.geometry.matches(whole.geometry)
    np.testing.assert_array_equal(early.store.frame(1), whole.store.frame(1))  # still readable


def test_that_what_is_small_or_was_imported_before_is_not_offered(tmp_path):
    write_study(tmp_path / "s")
    small, first, again = Watcher(), Watcher(), Watcher()
    read(tmp_path / "s", tmp_path / "cache", small, memory_limit_bytes=1 << 30)
    read(tmp_path / "s", tmp_path / "cache", first)
    read(tmp_path / "s", tmp_path / "cache", again)
    assert (small.order, len(first.order), again.order) == ([], 4, [])


def test_that_a_stopped_import_shows_nothing_any_more_and_leaves_nothing(tmp_path):
    write_study(tmp_path / "s")
    (tmp_path / "s" / "CT").mkdir()
    write_ct_series(tmp_path / "s" / "CT", np.zeros((4, 5, 6)), axial_affine())
    watcher = Watcher(stop_after=4)  # the PET is whole, the CT still to be read
    with pytest.raises(Cancelled):
        read(tmp_path / "s", tmp_path / "cache", watcher)
    assert watcher.order == [3, 2, 1, 0]
    assert np.isfinite(watcher.last.image.store.frame(0)).all()  # its store was finished


def test_that_frames_of_a_failed_import_are_no_value_afterwards(tmp_path, monkeypatch):
    write_study(tmp_path / "s")
    watcher = Watcher()
    monkeypatch.setattr("kiview.io.dicom_pixels.refuse_changed", fail)
    with pytest.raises(ReadError, match="just so"):
        read(tmp_path / "s", tmp_path / "cache", watcher)
    assert np.isnan(watcher.last.image.store.frame(3)).all()
    assert list((tmp_path / "cache").iterdir()) == []


def fail(_files):
    raise ReadError("just so")


def write_nifti(path: Path, voxels_tzyx: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels_tzyx.transpose(3, 2, 1, 0), np.eye(4)), path)
    sidecar = {
        "FrameTimesStart": START_S,
        "FrameDuration": DURATION_S,
        "Units": "Bq/mL",
        "TracerRadionuclide": "F18",
        "ImageDecayCorrected": True,
        "ImageDecayCorrectionTime": 0,
        "InjectionStart": 0,
        "TimeZero": "10:00:00",
    }
    path.with_name("pet.json").write_text(json.dumps(sidecar), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "order"), [("pet.nii", [3, 2, 1, 0]), ("pet.nii.gz", [0, 1, 2, 3])]
)
def test_that_nifti_frames_come_late_first_unless_the_file_is_packed(tmp_path, name, order):
    voxels = np.arange(4 * 3 * 4 * 5, dtype=np.int16).reshape(4, 3, 4, 5)
    write_nifti(tmp_path / name, voxels)
    watcher = Watcher()
    study = read(tmp_path / name, tmp_path / "cache", watcher)
    assert watcher.order == order
    for t, frame in watcher.seen.items():
        np.testing.assert_array_equal(frame, voxels[t])
    assert study.series[0].max_value == voxels.max() == 239
    assert read(tmp_path / name, tmp_path / "cache", Watcher()).series[0].max_value == 239


def test_that_the_largest_value_of_a_nifti_image_ignores_no_values(tmp_path):
    voxels = np.full((4, 3, 4, 5), -2.0, np.float32)
    voxels[1] = np.nan
    voxels[2, 1, 2, 3], voxels[3, 0] = 7.5, np.nan
    write_nifti(tmp_path / "pet.nii", voxels)
    assert read(tmp_path / "pet.nii", tmp_path / "cache", Watcher()).series[0].max_value == 7.5


def test_that_a_packed_file_that_is_cut_off_is_told_and_leaves_nothing(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 30000, (4, 3, 40, 50)).astype(np.int16)
    write_nifti(tmp_path / "pet.nii", voxels)
    packed = gzip.compress((tmp_path / "pet.nii").read_bytes())
    (tmp_path / "pet.nii").unlink()
    (tmp_path / "pet.nii.gz").write_bytes(packed[: len(packed) // 2])
    watcher = Watcher()
    with pytest.raises(ReadError, match=r"pet\.nii\.gz"):
        read(tmp_path / "pet.nii.gz", tmp_path / "cache", watcher)
    assert watcher.order[:1] == [0]
    assert np.isnan(watcher.last.image.store.frame(0)).all()
    assert [p.name for p in (tmp_path / "cache").iterdir()] == []


def test_that_an_image_of_one_frame_is_not_offered(tmp_path):
    write_dynamic_series(
        tmp_path / "s", "ge", asymmetric_phantom()[:1], axial_affine(), START_S[:1], DURATION_S[:1]
    )
    watcher = Watcher()
    assert read(tmp_path / "s", tmp_path / "cache", watcher).series[0].image.frame_count == 1
    assert watcher.order == []
