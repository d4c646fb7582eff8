"""One truth in the tags of each maker, for one bed, several beds, moving beds, once and repeated.

What a maker means by its tags is told in `science.md` 6.1, 6.2 and in public threads (PET2BIDS 379,
dcm2niix 184, 529, 577, 983). For UIH and Canon nothing is published, so their tags are read like
those of any unknown maker: by what moves, what is contiguous and what DecayFactor confirms.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.header_series import (
    DOSE_BQ,
    HALF_LIFE_S,
    SERIES_S,
    Columns,
    codes,
    frame_mean,
    left,
    per_image,
    pet,
    read,
    starts,
    texts,
    values,
)

from kiview.core.study import Verdict
from kiview.io.dicom_times import Vendor, vendor_of

SLICES = 4
BEDS = np.array([0, 0, 1, 1])
SPEED_S = np.array([0.0, 1.351, 2.702, 4.054])
"""Slices reached one after another while the bed moves."""
ONE_PASS = np.zeros(1)
PASSES = 300.0 * np.arange(3)
FRAMES_S, FRAME_LENGTHS_S = np.array([0.0, 30.0, 90.0]), np.array([30.0, 60.0, 300.0])

Times = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(t, z) starts from the series start, and durations."""


def table(start: NDArray[np.float64], duration: object) -> Times:
    full = np.broadcast_to(start, (len(start), SLICES)).astype(float)
    return full, np.broadcast_to(np.asarray(duration, float), full.shape).copy()


LAYOUTS: dict[str, Times] = {
    "static, one bed": table(ONE_PASS[:, None], 240.0),
    "static, several beds": table(ONE_PASS[:, None] + 243.0 * BEDS, 240.0),
    "static, moving bed": table(ONE_PASS[:, None] + SPEED_S, 74.324),
    "dynamic, one bed": table(FRAMES_S[:, None], FRAME_LENGTHS_S[:, None]),
    "dynamic, passes over beds": table(PASSES[:, None] + 130.0 * BEDS, 120.0),
    "dynamic, passes of a moving bed": table(PASSES[:, None] + SPEED_S, 74.324),
}


def average_s(duration: NDArray[np.float64]) -> NDArray[np.float64]:
    """Time of the average activity within a frame."""
    span = np.log(2.0) / HALF_LIFE_S * duration
    return np.log(span / (1.0 - np.exp(-span))) * HALF_LIFE_S / np.log(2.0)


def tags(
    times: Times, maker: str, reference: str, moves: bool = True, factor: bool = True, **more: str
) -> Columns:
    """Columns of a maker.

    Args:
        times: Truth.
        maker: Manufacturer.
        reference: What FrameReferenceTime is: start, centre, average, or zero.
        moves: Whether AcquisitionTime moves with frame and bed.
        factor: Whether DecayFactor is that of the frame mean; else 1.
        **more: Other keywords.
    """
    start, duration = times
    shift = {"start": 0.0, "centre": duration / 2, "average": average_s(duration)}.get(reference)
    told = np.zeros_like(start) if shift is None else start + shift
    columns = pet(
        maker,
        start,
        duration,
        FrameReferenceTime=texts(told.ravel(), 1000),
        DecayFactor=texts(frame_mean(start, duration).ravel()) if factor else "1.0",
        **more,
    )
    if not moves:
        columns["AcquisitionTime"] = "110000"
    return columns


def philips_counts(times: Times) -> Columns:
    factor = 70_000.0 / (DOSE_BQ * 2.0 ** (-SERIES_S / HALF_LIFE_S))
    return tags(
        times,
        "Philips Medical Systems",
        "centre",
        factor=False,
        Units="CNTS",
        PhilipsActivityFactor="0.5",
        PhilipsSuvFactor=f"{0.5 * factor:.10g}",
    )


MAKERS = {
    "Siemens": lambda times: tags(times, "SIEMENS", "average"),
    "GE": lambda times: tags(times, "GE MEDICAL SYSTEMS", "start", moves=False),
    "Philips in Bq/mL": lambda times: tags(
        times, "Philips Medical Systems", "centre", factor=False, PhilipsActivityFactor="0.4"
    ),
    "Philips in counts": philips_counts,
    "CPS": lambda times: tags(times, "CPS", "zero"),
    "UIH": lambda times: tags(times, "UIH", "start", factor=False),
    "UIH, constant AcquisitionTime": lambda times: tags(times, "UIH", "centre", moves=False),
    "Canon": lambda times: tags(times, "CANON_MEC", "centre", factor=False),
    "Canon, constant AcquisitionTime": lambda times: tags(times, "CANON_MEC", "start", moves=False),
    "unknown": lambda times: tags(times, "Some Scanner", "zero", factor=False),
    "unknown, constant AcquisitionTime": lambda times: tags(times, "", "centre", moves=False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("maker", MAKERS)
def test_that_every_maker_and_layout_gives_the_same_times_activity_and_suv(maker, layout):
    start, duration = LAYOUTS[layout]
    truth = 10_000.0 * (1 + np.arange(start.size)).reshape(start.shape)  # SUV 2 to 24
    columns = MAKERS[maker]((start, duration))
    per_count = 0.5 if columns["Units"] == "CNTS" else 1.0
    stored = (truth * left(SERIES_S) / per_count).ravel()
    order = np.random.default_rng(3).permutation(start.size)  # files lie in any order
    shuffled = {n: v if isinstance(v, str) else [v[i] for i in order] for n, v in columns.items()}
    series = read(shuffled, stored[order])
    found = starts(series)
    full = np.broadcast_to(found[:, None] if found.ndim == 1 else found, start.shape)
    # Centre and decay average of 300 s lie 0.4 s apart; a maker that means one is read by both.
    np.testing.assert_allclose(full, start, atol=0.4 if maker == "Siemens" else 1e-3)
    np.testing.assert_allclose(values(series), truth, rtol=1e-6)
    assert series.image.suv_factor == pytest.approx(70_000.0 / DOSE_BQ, rel=1e-6)
    assert series.suv_verdict is Verdict.READY
    assert not codes(series) - {"single-frame", "frame-times-by-decay-factor", "frame-gaps"}


@pytest.mark.parametrize("maker", MAKERS)
def test_that_weight_and_height_change_no_voxel(maker):
    columns = MAKERS[maker](LAYOUTS["dynamic, one bed"])
    as_told, entered = read(columns), read(columns, weight_kg="140", height_m="1.5")
    np.testing.assert_array_equal(values(entered), values(as_told))
    assert entered.image.timing == as_told.image.timing
    assert entered.image.quantity == as_told.image.quantity
    ratio = entered.image.suv_factor / as_told.image.suv_factor
    own = maker == "Philips in counts"  # its files hold a factor of their own
    assert ratio == pytest.approx(1.0 if own else 2.0)


def test_that_equal_frames_of_uih_and_canon_are_asked_about():
    """Without a moving AcquisitionTime and without DecayFactor nothing tells start from centre."""
    times = table(2400.0 + PASSES[:, None], 300.0)
    for maker in ("UIH", "CANON_MEC", "Some Scanner"):
        for reference in ("start", "centre"):
            series = read(tags(times, maker, reference, moves=False, factor=False))
            assert "frame-times-unsure" in codes(series)
            assert series.kinetics_verdict is Verdict.CONFIRM


@pytest.mark.parametrize(
    ("maker", "vendor"),
    [
        ("GE MEDICAL SYSTEMS", Vendor.GE),
        ("GEMS", Vendor.GE),
        ("GE HEALTHCARE", Vendor.GE),
        ("General Electric", Vendor.GE),
        ("SIEMENS", Vendor.SIEMENS),
        ("Siemens Healthineers", Vendor.SIEMENS),
        ("Philips Medical Systems", Vendor.PHILIPS),
        ("ADAC", Vendor.PHILIPS),
        ("UIH", Vendor.OTHER),
        ("UNITED IMAGING", Vendor.OTHER),
        ("CANON_MEC", Vendor.OTHER),
        ("TOSHIBA", Vendor.OTHER),
        ("Mediso", Vendor.OTHER),
        ("CPS", Vendor.OTHER),
        ("GENESIS", Vendor.OTHER),
        ("", Vendor.OTHER),
    ],
)
def test_that_only_makers_with_known_rules_get_them(maker, vendor):
    assert vendor_of(maker) is vendor


def test_that_beds_of_a_ge_whole_body_keep_their_own_start():
    """Six beds, 243 s apart, one AcquisitionTime: as in STS_001, without DecayFactor."""
    start = np.repeat(243.0 * np.arange(6), 2)[None]
    duration = np.full_like(start, 240.0)
    columns = tags((start, duration), "GE MEDICAL SYSTEMS", "start", moves=False, factor=False)
    np.testing.assert_allclose(starts(read(columns)), start)


def test_that_uncorrected_beds_are_corrected_each_from_its_own_time():
    start, duration = LAYOUTS["dynamic, passes over beds"]
    columns = pet("SIEMENS", start, duration, DecayCorrection="NONE", CorrectedImage="ATTN")
    expected = frame_mean(SERIES_S + start, duration)
    np.testing.assert_allclose(values(read(columns)), 10_000.0 * expected, rtol=1e-6)


def test_that_beds_of_one_pass_are_one_frame_and_never_several():
    for layout in ("static, several beds", "static, moving bed"):
        image = read(tags(LAYOUTS[layout], "SIEMENS", "average")).image
        assert image.frame_count == 1
        assert image.timing.is_per_slice


def test_that_passes_with_a_pause_at_each_slice_have_no_gap_finding():
    """Between two passes a slice is not measured; that is no missing frame."""
    columns = tags(LAYOUTS["dynamic, passes of a moving bed"], "SIEMENS", "average")
    assert "frame-gaps" not in codes(read(columns))


@pytest.mark.parametrize("layout", ["dynamic, passes over beds", "dynamic, passes of a moving bed"])
def test_that_a_missing_pass_is_to_be_confirmed(layout):
    """Passes of 250 s every 300 s, or of 78 s every 100 s: the third of five is not there."""
    start, duration = LAYOUTS[layout]
    every_s = 100.0 if "moving" in layout else 300.0
    passes = start[0] + every_s * np.arange(5)[:, None]
    lengths = np.broadcast_to(duration[0], passes.shape)
    assert "pass-missing" not in codes(read(tags((passes, lengths), "SIEMENS", "average")))
    there = [0, 1, 3, 4]
    series = read(tags((passes[there], lengths[there]), "SIEMENS", "average"))
    (found,) = [one for one in series.findings if one.code == "pass-missing"]
    pause_s = {300.0: 350, 100.0: 122}[every_s]
    assert f"{pause_s} s between passes 2 and 3" in found.message
    assert "such pauses" not in found.message
    assert (found.suv, found.kinetics) == (Verdict.READY, Verdict.CONFIRM)


@pytest.mark.parametrize(("pause_s", "is_told"), [(124.0, False), (126.0, True)])
def test_that_a_pause_of_less_than_half_a_pass_is_the_way_back_of_the_bed(pause_s, is_told):
    first = 130.0 * BEDS  # two beds of 120 s: a pass of 250 s
    start = np.stack([first, first + 250.0 + pause_s])
    columns = tags((start, np.full_like(start, 120.0)), "SIEMENS", "average")
    assert ("pass-missing" in codes(read(columns))) is is_told


def test_that_images_lie_frame_by_frame_in_the_helper():
    np.testing.assert_allclose(per_image([0.0, 60.0], 2), [0, 0, 60, 60])
