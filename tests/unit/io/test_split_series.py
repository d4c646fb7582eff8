"""One scan in several series or folders is one scan; what only looks like one stays apart."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.uid import generate_uid
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.dicom_patterns import VENDORS
from tests.helpers.dicom_patterns.facts import SliceFacts
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine

from kiview.core.arriving import ArrivingImage
from kiview.core.progress import Progress
from kiview.core.study import Series, SeriesKind, Study, Verdict
from kiview.jobs.open_study import OpenRequest, open_study

START_S = np.array([20.0, 30.5, 90.5, 390.5])
DURATION_S = np.array([10.5, 60.0, 300.0, 300.0])
PHANTOM = asymmetric_phantom()
FRAMES, SLICES = PHANTOM.shape[:2]
BEDS = np.array([0, 0, 1, 1, 1])
Split = Callable[[SliceFacts], object]


def write(folder: Path, vendor: str, split: Split, **options: Any) -> Path:
    """A scan of which each value of `split` gets a series, and a folder, of its own."""
    change = options.pop("change", lambda _ds, _facts: None)
    activity, affine = options.pop("activity", PHANTOM), options.pop("affine", axial_affine())
    start, duration = options.pop("start", START_S), options.pop("duration", DURATION_S)
    keys: dict[int, str] = {}

    def divide(ds: Any, facts: SliceFacts) -> None:
        key = f"{split(facts)}"
        keys[len(keys)] = key
        ds.SeriesInstanceUID = generate_uid(entropy_srcs=["part", key])
        ds.SeriesDescription = f"FDG dynamic, part {key}"
        change(ds, facts)

    paths = write_dynamic_series(
        folder,
        vendor,
        activity,
        affine,
        start,
        duration,
        quantum_bqml=QUANTUM_BQML,
        change=divide,
        **options,
    )
    for number, path in enumerate(paths):
        place = folder / f"series {keys[number]}"
        place.mkdir(exist_ok=True)
        path.rename(place / path.name)
    return folder


def opened(folder: Path, **overrides: float | str) -> Study:
    return open_study(OpenRequest(folder, overrides))


def one(folder: Path, **overrides: float | str) -> Series:
    (series,) = opened(folder, **overrides).series
    return series


def voxels(series: Series) -> NDArray[np.float32]:
    assert series.image is not None
    return np.stack([series.image.store.frame(t) for t in range(series.image.frame_count)])


def codes(series: Series) -> set[str]:
    return {finding.code for finding in series.findings}


def assert_whole(series: Series, start_s: NDArray[np.float64], truth=PHANTOM) -> None:
    """Times and activity at the injection are those that the factory was given."""
    assert series.image is not None
    assert "series-joined" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM
    np.testing.assert_allclose(series.image.timing.start_s, start_s, atol=1e-3)
    np.testing.assert_allclose(voxels(series), truth, rtol=1e-6)
    assert len(set(series.source_files)) == truth.shape[0] * truth.shape[1]


@pytest.mark.parametrize("vendor", VENDORS)
def test_that_a_series_per_frame_is_one_dynamic_scan(vendor: str, tmp_path: Path) -> None:
    assert_whole(one(write(tmp_path, vendor, lambda facts: facts.frame)), START_S)


@pytest.mark.parametrize("correction", ["START", "ADMIN", "NONE"])
def test_that_a_joined_scan_is_the_same_as_in_one_series(correction: str, tmp_path: Path) -> None:
    options = {"decay_correction": correction}
    found = one(write(tmp_path / "split", "ge", lambda facts: facts.frame, **options))
    expected = one(write(tmp_path / "whole", "ge", lambda _: 0, **options))
    np.testing.assert_allclose(voxels(found), voxels(expected), rtol=1e-6)
    assert found.image is not None
    assert expected.image is not None
    np.testing.assert_allclose(found.image.timing.start_s, expected.image.timing.start_s)
    assert found.image.suv_factor == pytest.approx(expected.image.suv_factor)
    assert codes(found) - codes(expected) == {"series-joined"}


def test_that_entered_frame_times_are_those_of_the_whole_scan(tmp_path: Path) -> None:
    folder = write(tmp_path, "ge", lambda facts: facts.frame)
    times = {
        "frame_start_s": ",".join(f"{start + 60:g}" for start in START_S),
        "frame_duration_s": ",".join(f"{duration:g}" for duration in DURATION_S),
    }
    for series in (one(folder, **times), one(folder, frame_series=one(folder).uid, **times)):
        assert series.image is not None
        np.testing.assert_allclose(series.image.timing.start_s, START_S + 60, atol=1e-3)


def test_that_each_series_keeps_its_own_decay_reference(tmp_path: Path) -> None:
    """Each frame corrected to its own start, as series of their own are."""
    half_life_s = 6586.2

    def own_start(ds: Any, facts: SliceFacts) -> None:
        ds.SeriesDate, ds.SeriesTime = ds.AcquisitionDate, ds.AcquisitionTime
        own = 2.0 ** (-(facts.start_s - START_S[0]) / half_life_s)
        ds.RescaleSlope = f"{float(ds.RescaleSlope) * own:.10g}"
        ds.FrameReferenceTime = f"{float(ds.FrameReferenceTime) - 1e3 * facts.from_series_s:.6f}"
        if "DecayFactor" in ds:
            ds.DecayFactor = f"{float(ds.DecayFactor) * own:.8g}"

    folder = write(tmp_path, "siemens", lambda facts: facts.frame, change=own_start)
    assert_whole(one(folder), START_S)


def test_that_a_series_per_bed_is_one_scan_with_times_per_slice(tmp_path: Path) -> None:
    start = np.arange(FRAMES)[:, None] * 120.0 + BEDS * 45.0
    duration = np.full_like(start, 40.0)
    folder = write(
        tmp_path,
        "multibed",
        lambda facts: BEDS[facts.slice_index],
        start=start,
        duration=duration,
    )
    series = one(folder)
    assert_whole(series, start)
    assert series.image is not None
    assert series.image.timing.is_per_slice


def test_that_a_series_per_pass_of_all_beds_is_one_scan(tmp_path: Path) -> None:
    start = np.arange(FRAMES)[:, None] * 120.0 + BEDS * 45.0
    duration = np.full_like(start, 40.0)
    folder = write(tmp_path, "multibed", lambda facts: facts.frame, start=start, duration=duration)
    assert_whole(one(folder), start)


def test_that_static_beds_of_their_own_are_one_volume(tmp_path: Path) -> None:
    start, duration = 3600.0 + BEDS[None] * 130.0, np.full((1, SLICES), 120.0)
    folder = write(
        tmp_path,
        "multibed",
        lambda facts: BEDS[facts.slice_index],
        activity=PHANTOM[:1],
        start=start,
        duration=duration,
    )
    series = one(folder)
    assert series.kind is SeriesKind.STATIC
    assert_whole_static(series, start)


def assert_whole_static(series: Series, start_s: NDArray[np.float64]) -> None:
    assert series.image is not None
    np.testing.assert_allclose(voxels(series), PHANTOM[:1], rtol=1e-6)
    np.testing.assert_allclose(series.image.timing.start_s, start_s, atol=1e-3)


def test_that_continuous_bed_motion_keeps_a_time_per_slice(tmp_path: Path) -> None:
    """Each slice passes the detectors a little later; a frame is a pass."""
    start = 60.0 + np.arange(FRAMES)[:, None] * 90.0 + np.arange(SLICES) * 2.5
    duration = np.full_like(start, 60.0)
    whole = one(write(tmp_path / "a", "multibed", lambda _: 0, start=start, duration=duration))
    assert whole.image is not None
    assert whole.image.timing.is_per_slice
    np.testing.assert_allclose(whole.image.timing.start_s, start, atol=1e-3)
    np.testing.assert_allclose(voxels(whole), PHANTOM, rtol=1e-6)
    split = write(
        tmp_path / "b", "multibed", lambda facts: facts.frame, start=start, duration=duration
    )
    assert_whole(one(split), start)


def test_that_one_series_in_several_folders_is_one(tmp_path: Path) -> None:
    write(tmp_path, "siemens", lambda _: 0)
    for number, path in enumerate(sorted((tmp_path / "series 0").iterdir())):
        place = tmp_path / f"part {number % 3}"
        place.mkdir(exist_ok=True)
        path.rename(place / path.name)
    series = one(tmp_path)
    assert series.image is not None
    assert series.image.timing.start_s.tolist() == pytest.approx(START_S.tolist(), abs=1e-3)
    np.testing.assert_allclose(voxels(series), PHANTOM, rtol=1e-6)
    assert "series-joined" not in codes(series)


def test_that_series_of_later_processing_stay_apart_as_their_reference_is_unknown(
    tmp_path: Path,
) -> None:
    def processed_later(ds: Any, facts: SliceFacts) -> None:
        ds.SeriesTime = f"23{facts.frame:02d}00"

    write(tmp_path, "cps", lambda facts: facts.frame, change=processed_later)
    assert len(opened(tmp_path).series) == FRAMES


def differ(keyword: str, value: Any) -> Callable[[Any, SliceFacts], None]:
    def change(ds: Any, facts: SliceFacts) -> None:
        if facts.frame == FRAMES - 1:
            setattr(ds, keyword, value)

    return change


APART = {
    "early and late": {"start": np.array([20.0, 80.0, 140.0, 3600.0]), "duration": np.full(4, 60)},
    "overlapping": {"duration": np.array([90.0, 60.0, 300.0, 300.0])},
    "other description": {"change": differ("SeriesDescription", "FDG filtered")},
    "not attenuation-corrected": {"change": differ("CorrectedImage", ["DECY"])},
    "other patient position": {"change": differ("FrameOfReferenceUID", "1.2.3.4")},
    "other unit": {"change": differ("Units", "CNTS")},
    "other study": {"change": differ("StudyInstanceUID", "1.2.3.4")},
}


@pytest.mark.parametrize("what", APART)
def test_that_what_is_no_single_scan_stays_apart(what: str, tmp_path: Path) -> None:
    study = opened(write(tmp_path, "siemens", lambda facts: facts.frame, **APART[what]))
    images = [series.image.frame_count for series in study.series if series.image is not None]
    assert sum(images) == FRAMES
    assert FRAMES not in images
    assert not [one for one in study.series if "series-joined" in codes(one) and len(images) == 4]


def test_that_reconstructions_of_the_same_frames_stay_apart(tmp_path: Path) -> None:
    for name in ("3i", "4i"):
        write(tmp_path / name, "siemens", lambda _, name=name: name)
    study = opened(tmp_path)
    assert [series.image.frame_count for series in study.series if series.image] == [4, 4]
    assert all("series-joined" not in codes(series) for series in study.series)


def test_that_overlapping_beds_stay_apart(tmp_path: Path) -> None:
    """Two beds that share a slice position cannot be put together without a choice."""
    for bed, first in enumerate((0, 2)):
        affine = axial_affine()
        affine[:3, 3] += first * affine[:3, 0]
        write(
            tmp_path / f"bed {bed}",
            "siemens",
            lambda _, bed=bed: bed,
            activity=PHANTOM[:1, first : first + 3],
            affine=affine,
            start=np.array([3600.0 + 130.0 * bed]),
            duration=np.array([120.0]),
            scan_start_s=3600.0,
        )
    study = opened(tmp_path)
    assert len(study.series) == 2
    assert all(series.kind is SeriesKind.STATIC for series in study.series)


def test_that_parts_that_do_not_fit_are_read_on_their_own(tmp_path: Path) -> None:
    def shift(ds: Any, facts: SliceFacts) -> None:
        if facts.frame == 1:
            x, y, z = ds.ImagePositionPatient
            ds.ImagePositionPatient = [x + 30.0, y, z]

    study = opened(write(tmp_path, "siemens", lambda facts: facts.frame, change=shift))
    assert len(study.series) == FRAMES
    assert all(series.image is not None for series in study.series)
    assert all("series-joined" not in codes(series) for series in study.series)


class Watcher(Progress):
    """Keeps what is offered before the study is open."""

    def __init__(self) -> None:
        self.offered: list[ArrivingImage] = []

    def step(self, fraction: float | None, message: str) -> None:
        pass

    def offer(self, early: object) -> bool:
        assert isinstance(early, ArrivingImage)
        self.offered.append(early)
        return True


def watched(folder: Path) -> tuple[Study, Watcher]:
    watcher = Watcher()
    request = OpenRequest(folder, {}, folder.parent / "cache", memory_limit_bytes=0)
    return open_study(request, watcher), watcher


def test_that_a_joined_scan_is_shown_while_it_is_read(tmp_path: Path) -> None:
    study, watcher = watched(write(tmp_path / "s", "ge", lambda facts: facts.frame))
    assert [max({*range(FRAMES)} - early.frames, default=-1) for early in watcher.offered] == [
        2,
        1,
        0,
        -1,
    ]
    early = watcher.offered[-1].image
    assert early.series_uid == study.series[0].uid
    np.testing.assert_allclose(early.timing.start_s, START_S, atol=1e-3)
    np.testing.assert_allclose(early.store.frame(3), PHANTOM[3], rtol=1e-6)


def test_that_the_scan_with_most_slices_is_read_first_though_each_part_has_fewer(
    tmp_path: Path,
) -> None:
    def other(ds: Any, _facts: SliceFacts) -> None:
        ds.SeriesDescription = "Late"

    later = {
        "start": START_S[:2] + 7200,
        "duration": DURATION_S[:2],
        "activity": PHANTOM[:2],
        "change": other,
    }
    write(tmp_path / "s" / "a", "ge", lambda _: 9, study_uid="1.2.3", **later)
    write(tmp_path / "s" / "b", "ge", lambda facts: facts.frame, study_uid="1.2.3")
    study, watcher = watched(tmp_path / "s")
    assert len(study.series) == 2
    order = dict.fromkeys(early.image.frame_count for early in watcher.offered)
    assert list(order) == [FRAMES, 2]


def apart(series: Series) -> str:
    """What a series tells of the one that it was not joined with."""
    return next(one.message for one in series.findings if one.code == "series-apart")


def test_that_halves_with_a_lost_frame_tell_of_each_other(tmp_path: Path) -> None:
    write(tmp_path, "siemens", lambda facts: ("0", "0", "lost", "1")[facts.frame])
    shutil.rmtree(tmp_path / "series lost")
    early, late = sorted(opened(tmp_path).series, key=lambda one: one.description)
    assert f"Series {late.uid} begins 5 min after this one ended" in apart(early)
    assert f"Series {early.uid} ended 5 min before this one began" in apart(late)
    assert "the pause is longer than within one scan" in apart(early)
    assert early.kinetics_verdict is Verdict.READY


def test_that_halves_of_which_one_value_differs_tell_which(tmp_path: Path) -> None:
    def other_weight(ds: Any, facts: SliceFacts) -> None:
        ds.PatientWeight = 70 + (facts.frame >= 2)

    write(tmp_path, "siemens", lambda facts: f"{int(facts.frame >= 2)}", change=other_weight)
    for series in opened(tmp_path).series:
        assert "right" in apart(series)
        assert "PatientWeight differs" in apart(series)


def test_that_halves_that_cannot_be_read_as_one_tell_why(tmp_path: Path) -> None:
    def other_factor(ds: Any, facts: SliceFacts) -> None:
        ds[0x70531009].value = f"{1 + (facts.frame >= 2)}"

    write(tmp_path, "philips", lambda facts: f"{int(facts.frame >= 2)}", change=other_factor)
    told = {apart(series) for series in opened(tmp_path).series}
    assert len(told) == 1
    assert "PhilipsActivityFactor differs" in told.pop()


def test_that_two_reconstructions_of_one_scan_do_not_tell_of_each_other(tmp_path: Path) -> None:
    write(tmp_path / "a", "siemens", lambda _facts: "1")
    write(tmp_path / "b", "siemens", lambda _facts: "2")
    assert not any("series-apart" in codes(series) for series in opened(tmp_path).series)
