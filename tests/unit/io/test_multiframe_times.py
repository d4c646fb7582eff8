"""When frames of multi-frame PET were taken, in which order, and what their decay refers to."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.helpers.four_frames import DURATION_S, START_S, SUV_PER_BQML
from tests.helpers.multiframe import (
    FRAMES,
    SLICES,
    classic,
    per_frame,
    shuffled,
    write_enhanced,
    write_legacy_converted,
)
from tests.helpers.opening import assert_same, codes, refusal, voxels
from tests.helpers.opening import read_main as read
from tests.helpers.phantoms import asymmetric_phantom

BEDS = np.array([0, 0, 1, 1, 1])
BED_START_S = np.arange(FRAMES)[:, None] * 120.0 + 60.0 + BEDS * 45.0


@pytest.mark.parametrize("kind", ["enhanced", "converted"])
def test_that_beds_keep_their_own_times(kind: str, tmp_path: Path) -> None:
    duration = np.full_like(BED_START_S, 40.0)
    slices = classic(tmp_path / "classic", "multibed", start=BED_START_S, duration=duration)
    beds = [[one for i, one in enumerate(slices) if BEDS[i % SLICES] == bed] for bed in (1, 0)]
    write = write_enhanced if kind == "enhanced" else write_legacy_converted
    write(tmp_path / "beds", beds)
    series = read(tmp_path / "beds")
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, BED_START_S, atol=1e-6)
    assert_same(series, read(tmp_path / "classic"))


def test_that_objects_with_their_own_decay_reference_come_to_the_injection(
    tmp_path: Path,
) -> None:
    """Each object corrected to its own frame start: the factor back is 2 ** (start / half-life)."""
    slices = classic(tmp_path / "classic", decay_correction="ADMIN")

    def to_frame_start(ds: Dataset) -> None:
        content = ds.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0]
        ds.DecayCorrectionDateTime = content.FrameAcquisitionDateTime
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group.PETFrameCorrectionFactorsSequence

    write_enhanced(tmp_path / "enhanced", per_frame(slices), change=to_frame_start)
    expected = 4 * asymmetric_phantom() * 2.0 ** (START_S / 6586.2)[:, None, None, None]
    series = read(tmp_path / "enhanced")
    np.testing.assert_allclose(voxels(series), expected, rtol=1e-6)
    assert series.file_suv_factor_g_per_bq is None  # no one factor holds for all frames
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    assert not series.findings


def test_that_the_decay_factor_of_a_frame_is_checked_against_its_own_reference(
    tmp_path: Path,
) -> None:
    """From the frame start to its mean: x / (1 - exp(-x)) with x = ln 2 x duration / half-life."""
    slices = classic(tmp_path / "classic")
    span = np.log(2.0) / 6586.2 * DURATION_S
    factor = iter(span / (1.0 - np.exp(-span)))

    def to_frame_start(ds: Dataset) -> None:
        groups = ds.PerFrameFunctionalGroupsSequence
        moment = groups[0].FrameContentSequence[0].FrameAcquisitionDateTime
        ds.DecayCorrectionDateTime = moment
        text = f"{next(factor):.10g}"
        for group in groups:
            group.PETFrameCorrectionFactorsSequence[0].DecayFactor = text

    write_enhanced(tmp_path / "enhanced", per_frame(slices), change=to_frame_start)
    assert codes(read(tmp_path / "enhanced")) == set()

    def wrong(group: Dataset, _one: Dataset) -> None:
        group.PETFrameCorrectionFactorsSequence[0].DecayFactor = "1.2"

    write_enhanced(tmp_path / "wrong", [slices], change_frame=wrong)
    assert codes(read(tmp_path / "wrong")) == {"decay-factor-differs"}


def test_that_frames_are_ordered_by_their_index_where_times_are_unknown(tmp_path: Path) -> None:
    def timeless(group: Dataset, _one: Dataset) -> None:
        content = group.FrameContentSequence[0]
        del content.FrameAcquisitionDateTime, content.FrameReferenceDateTime

    def undated(ds: Dataset) -> None:
        del ds.AcquisitionDateTime

    slices = shuffled(classic(tmp_path / "classic", decay_correction="ADMIN"))
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=timeless, change=undated)
    series = read(tmp_path / "enhanced")
    assert "frame-times-unknown" in codes(series)
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom(), rtol=1e-6)


def test_that_the_reference_time_tells_frames_where_their_start_is_absent(tmp_path: Path) -> None:
    def referenced(group: Dataset, _one: Dataset) -> None:
        del group.FrameContentSequence[0].FrameAcquisitionDateTime

    slices = shuffled(classic(tmp_path / "classic"))
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=referenced)
    series = read(tmp_path / "enhanced")
    assert series.image is not None
    # half a frame before the average-activity time, which lies up to 0.4 s before the centre
    np.testing.assert_allclose(series.image.timing.start_s, START_S, atol=0.41)


def test_that_the_time_of_a_frame_wins_over_that_of_its_object(tmp_path: Path) -> None:
    def acquired(ds: Dataset) -> None:
        ds.AcquisitionDate, ds.AcquisitionTime = "20201217", "101112.5"

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change=acquired)
    assert_same(read(tmp_path / "enhanced"), read(tmp_path / "classic"))


def test_that_one_time_zone_is_one_clock_and_two_are_refused(tmp_path: Path) -> None:
    def zoned(zone: str) -> Callable[[Dataset, Dataset], None]:
        def change(group: Dataset, _one: Dataset) -> None:
            content = group.FrameContentSequence[0]
            content.FrameAcquisitionDateTime = f"{content.FrameAcquisitionDateTime}+0100"
            content.FrameReferenceDateTime = f"{content.FrameReferenceDateTime}{zone}"

        return change

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "one", [slices], change_frame=zoned("+0100"))
    assert_same(read(tmp_path / "one"), read(tmp_path / "classic"))
    write_enhanced(tmp_path / "two", [slices], change_frame=zoned("+0000"))
    assert "several time zones (+0000, +0100)" in refusal(tmp_path / "two")


def test_that_an_index_against_the_times_is_told(tmp_path: Path) -> None:
    def backwards(group: Dataset, _one: Dataset) -> None:
        content = group.FrameContentSequence[0]
        content.TemporalPositionIndex = FRAMES + 1 - content.TemporalPositionIndex

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=backwards)
    series = read(tmp_path / "enhanced")
    assert codes(series) == {"temporal-order-differs"}
    np.testing.assert_array_equal(voxels(series), voxels(read(tmp_path / "classic")))


def test_that_indices_may_begin_again_in_each_object(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    halves = [slices[: 2 * SLICES], slices[2 * SLICES :]]

    def again(ds: Dataset) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            content = group.FrameContentSequence[0]
            content.TemporalPositionIndex = (content.TemporalPositionIndex - 1) % 2 + 1

    write_enhanced(tmp_path / "enhanced", halves, change=again)
    assert codes(read(tmp_path / "enhanced")) == set()


def test_that_a_gap_between_frames_is_told(tmp_path: Path) -> None:
    start = START_S + np.array([0.0, 0.0, 0.0, 60.0])
    slices = classic(tmp_path / "classic", start=start)
    write_enhanced(tmp_path / "enhanced", per_frame(slices))
    assert "frame-gaps" in codes(read(tmp_path / "enhanced"))
