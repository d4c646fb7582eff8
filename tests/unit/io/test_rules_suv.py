"""Rules of SUV and decay reference (`science.md` 6.2) against worked numbers and closed forms."""

import numpy as np
import pytest
from tests.helpers.header_series import (
    DOSE_BQ,
    SERIES_S,
    codes,
    frame_mean,
    left,
    pet,
    read,
    read_all,
    starts,
    texts,
    values,
)

from kiview.core.study import SeriesKind, Verdict
from kiview.core.units import ACTIVITY, COUNTS, SUV_BW

WORKED = 2.92127e-4
"""70 kg, 350 MBq at 10:00:00, reference 11:00:00, half-life 6586.2 s (`science.md` 6.2)."""
AT_INJECTION = 70_000.0 / DOSE_BQ
START_S, DURATION_S = np.array([0.0, 60.0, 360.0]), np.array([60.0, 300.0, 300.0])
ZIRCONIUM = {"Radionuclide": "^89^Zirconium", "RadionuclideHalfLife": "282276"}
LATER = {"SeriesTime": "130000"}
"""A series made anew two hours after the scan."""


def told(columns, code, **overrides):
    return {one.code: one for one in read(columns, **overrides).findings}[code]


def philips(**changes):
    """Counts with private factors that agree: Bq/mL per count, SUV per count at 11:00:00."""
    suv = f"{2 * WORKED:.10g}"
    fields = {"Units": "CNTS", "PhilipsActivityFactor": "2", "PhilipsSuvFactor": suv}
    return pet("Philips Medical Systems", **(fields | changes))


def suv_at_injection(series):
    """(t, z) SUV of each slice."""
    return values(series) * series.image.suv_factor


def test_that_the_factor_of_the_files_is_the_worked_one():
    series = read(pet())
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)
    assert 10_000 * series.file_suv_factor_g_per_bq == pytest.approx(2.92127, rel=2e-6)
    assert series.suv_verdict is Verdict.READY


def test_that_suv_of_a_voxel_is_that_of_the_worked_example():
    np.testing.assert_allclose(suv_at_injection(read(pet())), 10_000 * WORKED, rtol=2e-6)


def test_that_frames_of_one_reference_share_one_factor():
    series = read(pet())
    assert series.image.suv_factor == pytest.approx(AT_INJECTION)
    assert len(set(suv_at_injection(series).round(9).ravel())) == 1


def test_that_admin_is_not_decayed_again():
    """A viewer that decays again shows 2.096 where about 1 is true (horos #653)."""
    series = read(pet(DecayCorrection="ADMIN"))
    assert series.file_suv_factor_g_per_bq == pytest.approx(AT_INJECTION)
    np.testing.assert_allclose(suv_at_injection(series), 2.0)


def test_that_uncorrected_frames_have_each_their_own_factor():
    series = read(pet(DecayCorrection="NONE", CorrectedImage="ATTN"))
    assert series.file_suv_factor_g_per_bq is None
    expected = 10_000 * frame_mean(SERIES_S + START_S, DURATION_S) * AT_INJECTION
    np.testing.assert_allclose(suv_at_injection(series)[:, 1], expected, rtol=1e-6)


def test_that_g_per_ml_is_suv_already():
    columns = pet(Units="GML", SUVType=None, RadionuclideTotalDose=None, PatientWeight=None)
    series = read(columns, np.full(6, 3))
    assert series.image.quantity == SUV_BW
    assert series.file_suv_factor_g_per_bq == 1.0
    np.testing.assert_allclose(values(series), 3.0)
    assert series.suv_verdict is Verdict.READY


@pytest.mark.parametrize("kind", ["LBM", "LBMJANMA", "LBMJAMES128", "BSA", "IBW"])
def test_that_suv_of_another_kind_is_not_taken_for_body_weight(kind):
    series = read(pet(Units="GML", SUVType=kind))
    assert series.image.quantity != SUV_BW
    assert kind in {one.code: one for one in series.findings}["suv-other-type"].message
    assert series.suv_verdict is Verdict.REFUSED


def test_that_philips_counts_become_becquerel_by_the_private_factor():
    series = read(philips())
    assert series.image.quantity == ACTIVITY
    np.testing.assert_allclose(values(series), 20_000.0 / left(SERIES_S))
    assert series.suv_verdict is Verdict.READY


def test_that_philips_own_suv_factor_is_used_even_without_a_weight():
    """Stored x (7053,1000); here the scanner used 5 % more than weight and dose give."""
    factor = 2 * WORKED * 1.05
    series = read(philips(PhilipsSuvFactor=texts([factor])[0], PatientWeight=None))
    assert series.file_suv_factor_g_per_bq == pytest.approx(factor)
    np.testing.assert_allclose(suv_at_injection(series), 10_000 * factor)


def test_that_philips_counts_with_only_an_suv_factor_are_suv_already():
    series = read(philips(PhilipsActivityFactor=None))
    assert series.image.quantity == SUV_BW
    np.testing.assert_allclose(values(series), 10_000 * 2 * WORKED)


def test_that_a_slope_besides_the_philips_factor_is_to_be_confirmed():
    series = read(philips(RescaleSlope="2"))
    np.testing.assert_allclose(values(series), 40_000.0 / left(SERIES_S))
    assert "philips-slope" in codes(series)
    assert series.suv_verdict is Verdict.CONFIRM
    assert "philips-slope" not in codes(read(philips()))


def test_that_philips_becquerel_ignore_the_private_factors():
    """As in a real header: 0.159047 beside a slope of 0.207791."""
    series = read(philips(Units="BQML", RescaleSlope="0.207791", PhilipsActivityFactor="0.159047"))
    np.testing.assert_allclose(values(series), 2077.91 / left(SERIES_S))
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)


def test_that_counts_of_others_are_no_suv():
    series = read(pet(Units="CNTS"))
    assert series.image.quantity == COUNTS
    assert told(pet(Units="CNTS"), "units-counts").suv is Verdict.REFUSED
    assert series.image.suv_factor is None


@pytest.mark.parametrize("units", ["PROPCNTS", "PROPCPS", "CPS"])
def test_that_counts_without_a_factor_are_shown_with_ki_to_be_confirmed(units):
    finding = told(pet(Units=units), "units-counts")
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, Verdict.CONFIRM)


@pytest.mark.parametrize("units", ["", "CM2", "MGMINML", "1CM"])
def test_that_other_units_are_refused(units):
    finding = told(pet(Units=units), "units-unknown")
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, Verdict.REFUSED)


def test_that_files_of_different_units_are_no_series():
    series = read(pet(Units=["BQML"] * 5 + ["CNTS"]))
    assert series.image is None
    assert "Units differs" in series.findings[0].message


def test_that_activity_counts_from_the_series_time_before_the_scan():
    """Frames at 11:10: corrected to 11:00 all the same."""
    series = read(pet(start_s=START_S + 600.0))
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)
    np.testing.assert_allclose(starts(series), START_S + 600.0)


def test_that_a_later_series_time_is_no_decay_reference():
    """With the scan at 11:00 and nothing else told, the earliest acquisition counts."""
    series = read(pet("CPS", FrameReferenceTime="0", **LATER))
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)


def ten_minutes_late(maker, offset_s, **changes):
    """Frames that begin 600 s after the decay reference, told by FrameReferenceTime only."""
    start = START_S + 600.0
    reference = texts(np.repeat(start + offset_s, 2), 1000)
    return pet(maker, start, FrameReferenceTime=reference, **(LATER | changes))


@pytest.mark.parametrize("maker", ["SIEMENS", "Philips Medical Systems"])
def test_that_a_later_siemens_or_philips_series_refers_to_the_start_of_reference_times(maker):
    """Acquisition - FrameReferenceTime + T / 2 is 11:00:00."""
    series = read(ten_minutes_late(maker, DURATION_S / 2))
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)


def test_that_a_later_ge_series_refers_to_the_zero_of_reference_times():
    """Acquisition - FrameReferenceTime is 11:00:00."""
    series = read(ten_minutes_late("GE MEDICAL SYSTEMS", 0.0))
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)


def test_that_a_later_series_of_an_unknown_maker_refers_to_the_earliest_acquisition():
    """Its reference times may mean anything: 11:10:00 is taken, 2 ** (600 / half-life) higher."""
    expected = WORKED * 2.0 ** (600 / 6586.2)
    series = read(ten_minutes_late("Some Scanner", DURATION_S / 2))
    assert series.file_suv_factor_g_per_bq == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("series_time", ["130000", None])
def test_that_a_decay_reference_that_nothing_proves_is_to_be_confirmed(series_time):
    """CPS: where the first 10 min were cut off, SUV would be 6.5 % too high."""
    columns = pet("CPS", FrameReferenceTime="0", SeriesTime=series_time)
    finding = told(columns, "decay-reference-assumed")
    assert (finding.suv, finding.kinetics) == (Verdict.CONFIRM, Verdict.CONFIRM)
    assert "(2020-12-17 11:00:00)" in finding.message
    factor = texts(np.repeat(frame_mean(START_S, DURATION_S), 2))
    proven = read(columns | {"DecayFactor": factor})
    assert proven.suv_verdict is Verdict.READY
    assert not codes(proven) & {"decay-reference-assumed", "decay-factor-differs"}


def test_that_a_decay_factor_that_disproves_the_reference_makes_suv_doubtful():
    """Corrected to 10:50:00 by its factors, while the first frame that is there began at 11:00."""
    factor = texts(np.repeat(frame_mean(START_S + 600.0, DURATION_S), 2))
    columns = pet("CPS", FrameReferenceTime="0", DecayFactor=factor, **LATER)
    finding = told(columns, "decay-factor-differs")
    assert (finding.suv, finding.kinetics) == (Verdict.CONFIRM, Verdict.CONFIRM)
    assert "the decay reference" in finding.message
    assert "decay-reference-assumed" in codes(read(columns))
    admin = told(columns | {"DecayCorrection": "ADMIN"}, "decay-factor-differs")
    assert admin.suv is Verdict.READY


def test_that_zero_reference_times_of_a_later_series_say_nothing():
    """Else the reference would be half a frame after the scan began."""
    columns = pet("SIEMENS", [0.0], [600.0], FrameReferenceTime="0", **LATER)
    assert read(columns).file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)


def test_that_reference_times_that_disagree_are_no_decay_reference():
    """An AcquisitionTime that does not move gives a different zero for every frame."""
    reference = texts(np.repeat(START_S + 600.0, 2), 1000)
    columns = pet(
        "GE MEDICAL SYSTEMS", AcquisitionTime="110000", FrameReferenceTime=reference, **LATER
    )
    assert read(columns).file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)


@pytest.mark.parametrize(
    ("maker", "keyword"),
    [("GE MEDICAL SYSTEMS", "GeScanDateTime"), ("SIEMENS", "SiemensDecayDateTime")],
)
def test_that_the_private_scan_time_of_a_later_series_wins(maker, keyword):
    """11:05:00, by the private tag; the reference times would say 11:00:00."""
    offset = 0.0 if maker.startswith("GE") else DURATION_S / 2
    columns = ten_minutes_late(maker, offset, **{keyword: "20201217110500.00"})
    expected = WORKED * 2.0 ** (300 / 6586.2)
    assert read(columns).file_suv_factor_g_per_bq == pytest.approx(expected, rel=2e-6)


def test_that_a_private_scan_time_of_another_day_is_not_used():
    """De-identified dates: the private tag kept its own."""
    columns = ten_minutes_late("GE MEDICAL SYSTEMS", 0.0, GeScanDateTime="20150101110500.00")
    assert read(columns).file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)


def test_that_the_full_injection_time_wins_over_the_time_of_day():
    """09:30:00 by date and time: half an hour more of decay."""
    columns = pet(RadiopharmaceuticalStartDateTime="20201217093000.00")
    expected = WORKED * 2.0 ** (1800 / 6586.2)
    assert read(columns).file_suv_factor_g_per_bq == pytest.approx(expected, rel=2e-6)


def test_that_a_date_that_does_not_fit_the_scan_leaves_the_time_of_day():
    columns = pet(RadiopharmaceuticalStartDateTime="20150101093000.00")
    series = read(columns)
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)
    assert told(columns, "injection-date-strange").kinetics is Verdict.CONFIRM


def test_that_an_injection_before_midnight_is_of_the_day_before():
    """23:40:00 to 00:40:00 is the hour of the worked example."""
    columns = pet(
        SeriesTime="004000",
        AcquisitionTime=["004000"] * 2 + ["004100"] * 2 + ["004600"] * 2,
        RadiopharmaceuticalStartTime="234000",
    )
    series = read(columns)
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)
    np.testing.assert_allclose(series.image.timing.start_s, 3600.0 + START_S)


def test_that_a_long_lived_tracer_may_be_injected_days_before():
    """Zr-89 five days and an hour before: 121 h of decay, not the one hour of the time of day."""
    columns = pet(**ZIRCONIUM, RadiopharmaceuticalStartDateTime="20201212100000")
    series = read(columns)
    expected = 70_000.0 / (DOSE_BQ * 2.0 ** (-121 * 3600 / 282276))
    assert series.file_suv_factor_g_per_bq == pytest.approx(expected, rel=1e-9)
    assert codes(series) == {"injection-long-ago"}


def test_that_a_long_lived_tracer_needs_the_day_of_its_injection():
    """Zr-89, 78.4 h: three days more are a factor of 2 ** (72 / 78.4) = 1.89 in SUV."""
    columns = pet(**ZIRCONIUM)
    finding = told(columns, "injection-day-assumed")
    assert (finding.suv, finding.kinetics) == (Verdict.CONFIRM, Verdict.CONFIRM)
    assert "2020-12-17 10:00:00 was taken" in finding.message
    assert "78.4 h" in finding.message
    assert "injection-day-assumed" not in codes(read(pet()))
    in_file = read(columns | {"RadiopharmaceuticalStartDateTime": "20201217093000"})
    entered = read(columns, injection_time="2020-12-17T09:30:00")
    for series in (in_file, entered):
        assert "injection-day-assumed" not in codes(series)
        expected = 70_000.0 / (DOSE_BQ * 2.0 ** (-5400 / 282276))
        assert series.file_suv_factor_g_per_bq == pytest.approx(expected, rel=1e-9)


FURTHER = {
    "FurtherRadiopharmaceutical": "PSMA",
    "FurtherRadionuclideTotalDose": "1E8",
    "FurtherRadionuclideHalfLife": "4062.6",
    "FurtherRadiopharmaceuticalStartTime": "093000",
}


def test_that_another_injection_in_the_files_is_to_be_confirmed_or_settled_by_its_values():
    """350 MBq, then 100 MBq: no one of them is the dose of the image."""
    columns = pet(Radiopharmaceutical="FDG", **FURTHER)
    finding = told(columns, "injections-differ")
    assert (finding.suv, finding.kinetics) == (Verdict.CONFIRM, Verdict.CONFIRM)
    assert finding.fields == ("dose_bq", "injection_time", "half_life_s")
    assert "FDG (dose 350000000 Bq, start 100000, half-life 6586.2 s)" in finding.message
    assert "PSMA (dose 1E8 Bq, start 093000, half-life 4062.6 s)" in finding.message
    entered = read(columns, dose_bq=350e6, injection_time="10:00", half_life_s=6586.2)
    assert "injections-differ" not in codes(entered)


def test_that_the_same_injection_told_twice_is_no_doubt():
    same = {
        "FurtherRadionuclideTotalDose": "3.5E8\\",
        "FurtherRadionuclideHalfLife": "\\6586.20",
        "FurtherRadiopharmaceuticalStartTime": "100000.00\\",
    }
    assert codes(read(pet(**same))) == set()


@pytest.mark.parametrize(
    ("change", "code", "kinetics"),
    [
        ({"PatientWeight": None}, "weight-missing", Verdict.READY),
        ({"PatientWeight": "0"}, "weight-missing", Verdict.READY),
        ({"PatientWeight": "-70"}, "weight-missing", Verdict.READY),
        ({"RadionuclideTotalDose": None}, "dose-missing", Verdict.READY),
        ({"RadionuclideTotalDose": "0"}, "dose-missing", Verdict.READY),
        ({"RadionuclideHalfLife": None}, "half-life-missing", Verdict.REFUSED),
        ({"RadiopharmaceuticalStartTime": None}, "injection-time-missing", Verdict.REFUSED),
    ],
)
def test_that_what_suv_needs_is_asked_for_and_never_assumed(change, code, kinetics):
    series = read(pet(**change))
    finding = told(pet(**change), code)
    assert series.image.suv_factor is None
    assert (finding.suv, finding.kinetics) == (Verdict.REFUSED, kinetics)
    assert len(finding.fields) == 1


def test_that_entered_values_settle_what_is_missing():
    series = read(pet(PatientWeight=None, RadionuclideTotalDose=None), weight_kg=70, dose_bq=350e6)
    assert series.file_suv_factor_g_per_bq == pytest.approx(WORKED, rel=2e-6)
    assert series.suv_verdict is Verdict.READY


def test_that_a_weight_of_nobody_is_to_be_confirmed():
    for weight in ("1.9", "351", "700"):
        assert told(pet(PatientWeight=weight), "weight-unusual").suv is Verdict.CONFIRM
    for weight in ("2.1", "9.293", "349"):
        assert "weight-unusual" not in codes(read(pet(PatientWeight=weight)))


@pytest.mark.parametrize(("size", "height"), [("175", 1.75), ("1.75", 1.75), ("0", None)])
def test_that_a_size_above_three_is_in_centimetres(size, height):
    assert read_all(pet(PatientSize=size)).patient.height_m == height


def test_that_a_parametric_map_is_no_activity():
    """MLMINML and MLML are Ki and V0, never SUV."""
    for units in ("MLMINML", "MLML"):
        series = read(pet(Units=units))
        assert series.kind in (SeriesKind.DYNAMIC, SeriesKind.OTHER)
        assert series.suv_verdict is Verdict.REFUSED
        assert series.kinetics_verdict is Verdict.REFUSED
