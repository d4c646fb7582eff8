"""Rules of time of classic PET (`science.md` 6.1) against worked numbers and closed forms."""

import numpy as np
import pytest
from tests.helpers.header_series import (
    HALF_LIFE_S,
    SERIES_S,
    clock,
    codes,
    frame_mean,
    left,
    pet,
    read,
    starts,
    texts,
    values,
)

from kiview.core.study import SeriesKind, Verdict
from kiview.core.tracer import average_activity_offset_s

START_S, DURATION_S = np.array([0.0, 60.0, 360.0]), np.array([60.0, 300.0, 300.0])
FIVE_S, FIVE_MIN_S = np.array([0.0, 300.0, 600.0]), np.full(3, 300.0)
STILL = "110000"
"""AcquisitionTime that does not move."""


def refusal(**changes):
    series = read(pet(**changes))
    assert series.image is None
    assert series.kinetics_verdict is Verdict.REFUSED
    (told,) = series.findings
    return told.message


def told(columns, code):
    return {one.code: one for one in read(columns).findings}[code]


def fixed(maker, reference_s, start_s=FIVE_S, duration_s=FIVE_MIN_S, **changes):
    """Constant AcquisitionTime: only FrameReferenceTime moves."""
    reference = texts(np.repeat(reference_s, 2), 1000)
    changes = {"AcquisitionTime": STILL, "FrameReferenceTime": reference, **changes}
    return pet(maker, start_s, duration_s, **changes)


def factors(start_s=FIVE_S, duration_s=FIVE_MIN_S):
    return texts(np.repeat(frame_mean(start_s, duration_s), 2))


def test_that_a_gated_series_is_refused():
    assert "gated" in refusal(SeriesType="GATED\\IMAGE")


def test_that_projections_are_refused():
    assert "projections" in refusal(SeriesType="DYNAMIC\\REPROJECTION")


def test_that_frames_are_repeated_positions_whatever_the_series_type_says():
    series = read(pet(SeriesType="STATIC\\IMAGE", NumberOfTimeSlices="1"))
    assert series.kind is SeriesKind.DYNAMIC
    assert series.image.frame_count == 3


def test_that_frame_durations_are_milliseconds():
    np.testing.assert_allclose(read(pet()).image.timing.duration_s, DURATION_S)


def test_that_a_moving_acquisition_time_is_the_frame_start_against_the_reference_time():
    """The reference time would say 30 s later for every maker."""
    for maker in ("SIEMENS", "GE MEDICAL SYSTEMS", "Philips", "UIH"):
        later = texts(np.repeat(START_S + 30.0, 2), 1000)
        np.testing.assert_allclose(starts(read(pet(maker, FrameReferenceTime=later))), START_S)


def test_that_an_absent_acquisition_time_falls_back_to_the_reference_time_in_milliseconds():
    columns = fixed("SIEMENS", FIVE_S + 150.0, AcquisitionTime=None)
    np.testing.assert_allclose(starts(read(columns)), FIVE_S)


def test_that_acquisition_date_and_time_go_together():
    """The second frame is of the next day."""
    start = np.array([46_740.0, 46_860.0])  # 23:59:00 and 00:01:00
    dates = ["20201217"] * 2 + ["20201218"] * 2
    told_late = {"SeriesTime": "235900", "RadiopharmaceuticalStartTime": "233000"}
    series = read(pet(start_s=start, duration_s=[120, 120], AcquisitionDate=dates, **told_late))
    np.testing.assert_allclose(series.image.timing.start_s, [1740, 1860])


def test_that_an_acquisition_after_midnight_without_its_date_is_of_the_next_day():
    moments = ["235900"] * 2 + ["000100"] * 2
    columns = pet(
        start_s=[0, 120], duration_s=[120, 120], AcquisitionDate=None, AcquisitionTime=moments,
        SeriesTime="235900", RadiopharmaceuticalStartTime="233000",
    )  # fmt: skip
    np.testing.assert_allclose(read(columns).image.timing.start_s, [1740, 1860])


def test_that_one_date_time_serves_as_date_and_time():
    both = [f"20201217{clock(value)}" for value in np.repeat(START_S, 2)]
    columns = pet(AcquisitionDate=None, AcquisitionTime=None, AcquisitionDateTime=both)
    np.testing.assert_allclose(starts(read(columns)), START_S)


def test_that_a_constant_ge_reference_time_is_the_frame_start():
    np.testing.assert_allclose(starts(read(fixed("GE MEDICAL SYSTEMS", FIVE_S))), FIVE_S)


def test_that_a_first_ge_frame_is_not_taken_for_a_centre():
    """Frames that begin late: 2400, 2700 ... s fits start and centre alike."""
    late = FIVE_S + 2400.0
    series = read(fixed("GE MEDICAL SYSTEMS", late))
    np.testing.assert_allclose(starts(series), late)
    assert "frame-times-unsure" not in codes(series)


@pytest.mark.parametrize("maker", ["SIEMENS", "Philips Medical Systems"])
def test_that_a_siemens_or_philips_reference_time_is_the_centre(maker):
    late = FIVE_S + 2400.0
    series = read(fixed(maker, late + 150.0))
    np.testing.assert_allclose(starts(series), late)
    assert "frame-times-unsure" not in codes(series)


def test_that_the_decay_average_is_read_as_the_centre_within_half_a_second():
    """149.605 s in a 300-s frame (worked in `science.md` 6.1): the start is 0.395 s early."""
    series = read(fixed("SIEMENS", FIVE_S + 149.605))
    np.testing.assert_allclose(starts(series), FIVE_S - 0.395, atol=1e-6)


@pytest.mark.parametrize(("duration", "offset"), [(60, 29.984), (180, 89.858), (300, 149.605)])
def test_that_the_average_activity_time_is_the_worked_one(duration, offset):
    assert average_activity_offset_s(duration, HALF_LIFE_S) == pytest.approx(offset, abs=1e-3)


def test_that_a_zero_reference_time_says_nothing():
    series = read(fixed("CPS", np.zeros(3), InstanceNumber=texts(range(6))))
    assert "frame-times-unknown" in codes(series)
    assert series.kinetics_verdict is Verdict.REFUSED


def test_that_a_zero_reference_time_of_a_static_series_is_no_start():
    columns = pet("CPS", [0.0], [600.0], FrameReferenceTime="0", AcquisitionTime=None)
    assert "frame-times-unknown" in codes(read(columns))


def test_that_a_reference_time_below_half_a_frame_must_be_a_start():
    """Equal frames fit start and centre alike; 0 s cannot be the centre of a frame."""
    series = read(fixed("Some Scanner", FIVE_S))
    np.testing.assert_allclose(starts(series), FIVE_S)
    assert "frame-times-unsure" not in codes(series)


def test_that_contiguous_frames_decide_for_an_unknown_maker():
    start, duration = np.array([600.0, 630.0, 690.0]), np.array([30.0, 60.0, 300.0])
    for reference in (start, start + duration / 2):
        series = read(fixed("Some Scanner", reference, start, duration))
        np.testing.assert_allclose(starts(series), start)
        assert "frame-times-unsure" not in codes(series)


def test_that_an_unknown_maker_with_equal_frames_is_asked_about():
    series = read(fixed("Some Scanner", FIVE_S + 2400.0))
    assert "frame-times-unsure" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM
    finding = told(fixed("Some Scanner", FIVE_S + 2400.0), "frame-times-unsure")
    assert set(finding.fields) == {"frame_start_s", "frame_duration_s"}


@pytest.mark.parametrize("shift", [0.0, 150.0])
def test_that_the_decay_factor_decides_between_start_and_centre(shift):
    """PET2BIDS #379: 2400, 2700 ... against 2550, 2850 ... s for the same 5-min frames."""
    late = FIVE_S + 2400.0
    columns = fixed("Some Scanner", late + shift, DecayFactor=factors(late))
    np.testing.assert_allclose(starts(read(columns)), late)


def test_that_the_decay_factor_overrules_a_maker():
    late = FIVE_S + 2400.0
    series = read(fixed("GE MEDICAL SYSTEMS", late + 150.0, DecayFactor=factors(late)))
    np.testing.assert_allclose(starts(series), late)
    assert "frame-times-by-decay-factor" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM


def test_that_a_decay_factor_of_one_says_nothing():
    series = read(pet("Philips", DecayFactor="1.0"))
    assert codes(series) == set()


def test_that_a_decay_factor_one_percent_off_is_told_and_a_rounded_one_is_not():
    """0.9 per mille is rounding; start against centre of 300 s is 1.6 %."""
    right = np.repeat(frame_mean(START_S, DURATION_S), 2)
    assert codes(read(pet(DecayFactor=texts(right * 1.0009)))) == set()
    series = read(pet(DecayFactor=texts(right * 1.016)))
    assert codes(series) == {"decay-factor-differs"}
    assert series.kinetics_verdict is Verdict.CONFIRM


def test_that_the_decay_factor_of_a_cps_scanner_to_mid_frame_agrees():
    """2 ** ((Acq - Series + T / 2) / half-life), the form seen on CPS."""
    factor = 1.0 / left(START_S + DURATION_S / 2)
    assert codes(read(pet("CPS", DecayFactor=texts(np.repeat(factor, 2))))) == set()


def test_that_a_decay_factor_from_the_injection_agrees():
    factor = texts(np.repeat(frame_mean(SERIES_S + START_S, DURATION_S), 2))
    assert codes(read(pet(DecayCorrection="ADMIN", DecayFactor=factor))) == set()


def test_that_frames_that_overlap_are_refused_until_a_table_is_entered():
    columns = pet(start_s=[0.0, 60.0, 200.0])
    series = read(columns)
    assert "frame-times-unknown" in codes(series)
    assert series.kinetics_verdict is Verdict.REFUSED
    entered = read(columns, frame_start_s="3600,3660,3960", frame_duration_s="60,300,300")
    np.testing.assert_allclose(starts(entered), START_S)
    assert entered.kinetics_verdict is Verdict.CONFIRM  # the files start frame 3 at 3800 s
    assert ("frame_start_s", "3600,3660,3960") in entered.image.user_given


def test_that_a_gap_of_more_than_a_second_is_to_be_confirmed():
    assert "frame-gaps" not in codes(read(pet(start_s=START_S + np.array([0, 0, 0.9]))))
    series = read(pet(start_s=START_S + np.array([0, 0, 1.1])))
    assert "frame-gaps" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM


def test_that_frames_without_a_duration_are_unknown():
    for duration in ("", "0"):
        columns = pet(ActualFrameDuration=duration, InstanceNumber=texts(range(6)))
        finding = told(columns, "frame-times-unknown")
        assert "ActualFrameDuration is absent or not positive" in finding.message
        assert finding.kinetics is Verdict.REFUSED


def test_that_a_late_cut_of_a_siemens_scan_refers_to_the_series_time():
    """Minutes 50 to 70 of a scan: activity is corrected to its start, 3000 s before the frame."""
    series = read(pet(start_s=[3000.0], duration_s=[1200.0]))
    np.testing.assert_allclose(starts(series), 3000.0)
    # 10 000 at 11:00:00 is 10 000 x 2 ** (3600 / 6586.2) at the injection.
    np.testing.assert_allclose(values(series), 10_000 * 2.0 ** (3600 / 6586.2))


def test_that_an_injection_at_the_series_time_is_to_be_confirmed():
    """A time that a station filled in, or that of a measured dose."""
    columns = pet(RadiopharmaceuticalStartTime="110000")
    assert told(columns, "injection-is-series-start").kinetics is Verdict.CONFIRM


def test_that_an_injection_during_the_scan_is_to_be_confirmed():
    """The scan began 15 s before: frames keep their times, the first one is negative."""
    columns = pet(RadiopharmaceuticalStartTime="110015")
    assert told(columns, "injection-after-start").kinetics is Verdict.CONFIRM
    np.testing.assert_allclose(read(columns).image.timing.start_s, START_S - 15.0)


def test_that_an_injection_after_the_scan_is_refused():
    columns = pet(RadiopharmaceuticalStartTime="113000")
    finding = told(columns, "injection-after-scan")
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, Verdict.REFUSED)
    entered = read(columns, injection_time="10:00:00")
    assert entered.kinetics_verdict is Verdict.READY
    np.testing.assert_allclose(starts(entered), START_S)


def test_that_an_injection_many_half_lives_before_is_to_be_confirmed():
    """Seven half-lives are 12.8 h: a wrong date or a wrong clock."""
    columns = pet(RadiopharmaceuticalStartDateTime="20201216221000")
    assert told(columns, "injection-long-ago").kinetics is Verdict.CONFIRM


def test_that_start_brings_activity_from_the_series_time_to_the_injection():
    np.testing.assert_allclose(values(read(pet())), 10_000 / left(SERIES_S))


def test_that_admin_leaves_activity_as_it_is():
    np.testing.assert_allclose(values(read(pet(DecayCorrection="ADMIN"))), 10_000.0)


def test_that_none_is_corrected_frame_by_frame_to_the_injection():
    """1 / mean of 2 ** (-t / half-life) over the frame, by the integral of the exponential."""
    series = read(pet(DecayCorrection="NONE", CorrectedImage="ATTN"))
    decay = np.log(2) / HALF_LIFE_S
    begin, end = SERIES_S + START_S, SERIES_S + START_S + DURATION_S
    mean = (np.exp(-decay * begin) - np.exp(-decay * end)) / (decay * DURATION_S)
    np.testing.assert_allclose(values(series)[:, 0], 10_000.0 / mean, rtol=1e-6)


def test_that_an_unknown_decay_correction_is_asked_for():
    columns = pet(DecayCorrection=None)
    finding = told(columns, "decay-correction-unknown")
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, Verdict.REFUSED)
    assert finding.fields == ("decay_correction",)


def test_that_one_slope_per_slice_is_applied_to_its_slice():
    slopes = ["0.5", "2", "4", "8", "16", "32"]
    series = read(pet(RescaleSlope=slopes, DecayCorrection="ADMIN"))
    expected = [[5000, 20_000], [40_000, 80_000], [160_000, 320_000]]
    np.testing.assert_allclose(values(series), expected)
    assert series.max_value == 320_000


@pytest.mark.parametrize(("slope", "said"), [("", "absent"), ("0", "0"), ("-1", "-1")])
def test_that_a_slope_that_is_absent_or_not_positive_is_refused(slope, said):
    assert f"RescaleSlope is {said}" in refusal(RescaleSlope=slope)


def test_that_an_intercept_is_not_trusted():
    finding = told(pet(RescaleIntercept="-3"), "intercept-not-zero")
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, Verdict.REFUSED)
    assert "RescaleIntercept is -3" in finding.message


def test_that_images_without_attenuation_correction_are_refused():
    finding = told(pet(CorrectedImage="NORM\\DECY"), "not-attenuation-corrected")
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, Verdict.REFUSED)


@pytest.mark.parametrize(
    ("correction", "words"), [("START", "ATTN"), ("ADMIN", "ATTN"), ("NONE", "ATTN\\DECY")]
)
def test_that_two_tags_that_contradict_each_other_on_decay_are_asked_about(correction, words):
    columns = pet(DecayCorrection=correction, CorrectedImage=words)
    finding = told(columns, "decay-correction-contradiction")
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, Verdict.REFUSED)


def test_that_absent_corrections_are_to_be_confirmed():
    finding = told(pet(CorrectedImage=None), "corrections-unknown")
    assert (finding.suv, finding.kinetics) == (Verdict.CONFIRM, Verdict.CONFIRM)


def test_that_the_numbers_of_images_order_frames_without_times():
    """ImageIndex counts slices first, then frames; InstanceNumber may run against it."""
    columns = pet(
        ActualFrameDuration=None,
        ImageIndex=texts(range(6, 0, -1)),
        InstanceNumber=texts(range(1, 7)),
        DecayCorrection="ADMIN",
    )
    np.testing.assert_allclose(values(read(columns, np.arange(6) + 1))[:, 0], [5, 3, 1])


def test_that_two_images_of_one_place_and_time_are_refused():
    message = refusal(AcquisitionTime=[clock(0)] * 6, FrameReferenceTime="0")
    assert "cannot be told apart" in message


def entered(start_s, duration_s=DURATION_S, **changes):
    """The series with a frame table that the user entered."""
    table = {"frame_start_s": start_s, "frame_duration_s": duration_s}
    return read(pet(**changes), **{name: ",".join(map(str, one)) for name, one in table.items()})


def test_that_an_entered_frame_table_that_starts_elsewhere_than_the_files_is_to_be_confirmed():
    """The files start one hour after the injection."""
    for moved_s, is_told in ((0.9, False), (1.1, True), (-1.1, True)):
        series = entered(3600 + moved_s + START_S)
        assert ("entered-times-differ" in codes(series)) is is_told
        verdict = Verdict.CONFIRM if is_told else Verdict.READY
        assert (series.suv_verdict, series.kinetics_verdict) == (verdict, verdict)
    (one,) = entered(3000 + START_S).findings
    assert "3000 s" in one.message
    assert "3600 s in the files, 10 min apart" in one.message


def test_that_suv_that_needs_no_decay_does_not_ask_about_an_entered_frame_table():
    series = entered(3000 + START_S, DecayCorrection="ADMIN")
    assert (series.suv_verdict, series.kinetics_verdict) == (Verdict.READY, Verdict.CONFIRM)


def test_that_an_entered_frame_table_before_the_injection_is_refused():
    series = entered(START_S - 660)
    assert "injection-after-scan" in codes(series)
    assert (series.suv_verdict, series.kinetics_verdict) == (Verdict.REFUSED, Verdict.REFUSED)
    assert "injection-after-scan" not in codes(entered(START_S - 659))


def test_that_a_gap_in_an_entered_frame_table_is_told():
    series = entered(3600 + START_S, [60.0, 298.0, 300.0])
    assert "frame-gaps" in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM


def test_that_a_frame_after_ten_half_lives_is_to_be_confirmed():
    """The last frame ends 4260 s after the injection."""
    for half_life_s, is_told in ((425.0, True), (427.0, False)):
        series = read(pet(RadionuclideHalfLife=f"{half_life_s}"))
        assert ("frames-after-decay" in codes(series)) is is_told
    (message,) = (
        one.message
        for one in read(pet(RadionuclideHalfLife="60")).findings
        if one.code == "frames-after-decay"
    )
    assert "71 min after the injection, 71 half-lives of 1 min" in message
    assert "may be in ms" in message
