"""Reading curves: what is understood, what is assumed, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.feng import FENG_FDG
from kiview.core.input_function import Compartment, InputFunction, InputSource, from_region
from kiview.core.tac import TimeActivityCurve
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.io.curve_bids import read_input_function
from kiview.io.curve_writer import write_input_function, write_region_curve

SIDECAR = {"time": {"Units": "s"}, "plasma_radioactivity": {"Units": "Bq/mL"}}


@pytest.fixture
def written(tmp_path):
    """Write a table and its sidecar; gives the path."""

    def write(table: str, sidecar=None):
        path = tmp_path / "sub-01_blood.tsv"
        path.write_text(table.replace(" ", "\t"), encoding="utf-8")
        if sidecar is not None:
            path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
        return path

    return write


def region_tac(start_s):
    timing = FrameTiming(start_s, [60.0, 180.0, 1800.0])
    return TimeActivityCurve(timing, np.array([1e4, 3e4, 2.5e3]), np.ones(3), 25, ACTIVITY, "aorta")


def test_that_plasma_samples_are_read_and_preferred_to_blood(written):
    table = "time whole_blood_radioactivity plasma_radioactivity\n0 1 2\n60 3 4\n120 5 8\n"
    curve = read_input_function(written(table, SIDECAR))
    assert curve.compartment is Compartment.PLASMA
    assert curve.source is InputSource.SAMPLES
    assert curve.quantity == ACTIVITY
    assert curve.findings == ()
    np.testing.assert_allclose(curve.at([0, 60, 90]), [2, 4, 6])
    assert float(curve.integral(120.0)) == 60 * 3 + 60 * 6


@pytest.mark.parametrize(
    ("unit", "quantity", "factor"),
    [("kBq/mL", ACTIVITY, 1000), ("Bq/ml", ACTIVITY, 1), ("g/mL", SUV_BW, 1)],
)
def test_that_units_of_the_sidecar_are_obeyed(written, unit, quantity, factor):
    sidecar = {"time": {"Units": "min"}, "plasma_radioactivity": {"Units": unit}}
    curve = read_input_function(written("time plasma_radioactivity\n0 1\n2 5\n", sidecar))
    assert curve.quantity == quantity
    assert float(curve.at(120.0)) == 5 * factor


def test_that_missing_values_and_assumptions_are_told(written):
    table = "time plasma_radioactivity metabolite_parent_fraction\n0 1 1\n60 n/a 1\n120 5 0.9\n"
    curve = read_input_function(written(table))
    assert float(curve.at(60.0)) == 3
    told = " ".join(curve.findings)
    assert "Bq/mL was assumed" in told
    assert "seconds were assumed" in told
    assert "1 rows without an activity" in told
    assert "metabolite_parent_fraction was not applied" in told
    assert "decay-corrected to injection" in told


@pytest.mark.parametrize("start_s", [(0.0, 60.0, 240.0), (90.0, 150.0, 330.0)])
def test_that_an_image_derived_curve_comes_back_with_its_exact_integral(tmp_path, start_s):
    curve = from_region(region_tac(start_s), FENG_FDG)
    assert (curve.curve.before > 0) == (start_s[0] > 0)
    write_input_function(tmp_path / "input.tsv", curve, 3600.0)
    again = read_input_function(tmp_path / "input.tsv")
    times = np.linspace(start_s[0], start_s[2] + 1800, 57)
    np.testing.assert_allclose(again.integral(times), curve.integral(times), rtol=1e-8)
    np.testing.assert_allclose(again.at(times), curve.at(times), rtol=1e-8)
    assert again.source is InputSource.IMAGE
    assert again.findings == curve.findings
    assert "region aorta" in again.description


def test_that_the_curve_of_a_region_can_be_used_as_input(tmp_path):
    write_region_curve(tmp_path / "aorta.tsv", region_tac((0.0, 60.0, 240.0)))
    curve = read_input_function(tmp_path / "aorta.tsv")
    assert curve.compartment is Compartment.WHOLE_BLOOD
    assert float(curve.integral(2040.0)) == pytest.approx(60e4 + 180 * 3e4 + 1800 * 2.5e3)


def test_that_the_curve_of_a_region_that_is_no_blood_is_named_and_taken_so(tmp_path):
    tumour = replace(region_tac((0.0, 60.0, 240.0)), name="GTV 1")
    path, sidecar = write_region_curve(tmp_path / "tumour.tsv", tumour)
    assert "region_radioactivity" in path.read_text(encoding="utf-8").splitlines()[0].split("\t")
    told = json.loads(sidecar.read_text(encoding="utf-8"))
    assert (told["region"], told["WholeBloodAvail"]) == ("GTV 1", False)
    assert told["region_radioactivity"]["Units"] == "Bq/mL"
    curve = read_input_function(path)
    assert curve.compartment is Compartment.WHOLE_BLOOD
    assert float(curve.integral(2040.0)) == pytest.approx(60e4 + 180 * 3e4 + 1800 * 2.5e3)
    assert any("not called after blood" in finding for finding in curve.findings)


def test_that_a_plasma_factor_is_not_applied_twice(tmp_path):
    blood = from_region(region_tac((0.0, 60.0, 240.0)))
    curve = InputFunction(
        blood.curve, blood.source, blood.quantity, blood.compartment, plasma_factor=1.2
    )
    write_input_function(tmp_path / "input.tsv", curve, 3600.0)
    again = read_input_function(tmp_path / "input.tsv")
    assert float(again.integral(2000.0)) == pytest.approx(float(curve.integral(2000.0)))


def test_that_the_file_name_stays_out_of_the_record(written):
    curve = read_input_function(written("time plasma_radioactivity\n0 1\n2 5\n", SIDECAR))
    assert "sub-01" not in curve.description
    assert "curve file" in curve.description


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("", "heading"),
        ("zeit plasma_radioactivity\n0 1\n", "heading"),
        ("time time\n0 1\n", "heading"),
        ("time activity\n0 1\n", "no column plasma_radioactivity or whole_blood"),
        (
            "time plasma_radioactivity\n10:31:00 1\n",
            "'10:31:00' in row 2, column time,",
        ),
        (
            "time plasma_radioactivity\n0 1\n60 .\n",
            "'.' in row 3, column plasma",
        ),
        ("time plasma_radioactivity\n0 1\n60\n", "row 3 has 1 cells, not 2"),
    ],
)
def test_that_a_table_that_is_not_understood_is_refused(written, table, told):
    with pytest.raises(ReadError, match=told):
        read_input_function(written(table))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("time plasma_radioactivity\n0 1\n", "at least two samples"),
        ("time plasma_radioactivity\n0 1\n0 2\n", "not later than"),
        ("time plasma_radioactivity\n-30 1\n0 2\n", "before injection"),
        ("time plasma_radioactivity\nn/a 1\n10 2\n", "not a number"),
        (
            "time plasma_radioactivity frame_start frame_duration\n30 1 0 60\n90 n/a 60 60\n",
            "frames without a value",
        ),
    ],
)
def test_that_impossible_curves_are_refused(written, table, told):
    with pytest.raises(InvalidInputError, match=told):
        read_input_function(written(table, SIDECAR))


@pytest.mark.parametrize(
    ("sidecar", "told"),
    [
        ({"plasma_radioactivity": {"Units": "CPM"}}, "'cpm'.*convert it"),
        ({"time": {"Units": "hh:mm:ss"}}, "write seconds"),
        ([1, 2], "no JSON object"),
        ({"integral_before_first_frame": "much"}, "no usable integral"),
    ],
)
def test_that_a_sidecar_that_is_not_understood_is_refused(written, sidecar, told):
    table = "time plasma_radioactivity frame_start frame_duration\n30 1 0 60\n90 2 60 60\n"
    if "time" in sidecar:
        table = "time plasma_radioactivity\n30 1\n90 2\n"
    with pytest.raises(ReadError, match=told):
        read_input_function(written(table, sidecar))


def test_that_damaged_files_are_refused(tmp_path):
    path = tmp_path / "curve.tsv"
    with pytest.raises(ReadError, match="cannot be read"):
        read_input_function(path)
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ReadError, match="no text file"):
        read_input_function(path)
    path.write_text("time\tplasma_radioactivity\n0\t1\n9\t2\n", encoding="utf-8")
    path.with_suffix(".json").write_text("{", encoding="utf-8")
    with pytest.raises(ReadError, match="sidecar"):
        read_input_function(path)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("time plasma_radioactivity\n1700 8\n1800 7\n", "1700 s after injection"),
        ("time plasma_radioactivity\n0 0\n3600 7\n", "60 min apart"),
    ],
)
def test_that_long_times_without_a_sample_are_told(written, table, told):
    assert told in " ".join(read_input_function(written(table, SIDECAR)).findings)


def test_that_times_without_a_sample_count_in_the_unit_of_the_file(written):
    sidecar = SIDECAR | {"time": {"Units": "min"}}
    (told,) = read_input_function(
        written("time plasma_radioactivity\n2 8\n9 7\n", sidecar)
    ).findings
    assert "120 s after injection" in told


@pytest.mark.parametrize("cell", ["1_000", "1e13", "-1e300"])
def test_that_numbers_nobody_measures_are_refused(written, cell):
    with pytest.raises((ReadError, InvalidInputError), match=r"is no number|cannot be"):
        read_input_function(written(f"time plasma_radioactivity\n0 0\n60 {cell}\n", SIDECAR))


def test_that_a_sidecar_nested_without_end_is_refused_by_name(written):
    path = written("time plasma_radioactivity\n0 0\n60 1\n")
    path.with_suffix(".json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ReadError, match=r"sub-01_blood\.json cannot be read"):
        read_input_function(path)


@pytest.mark.parametrize("before", [10**400, float("nan"), float("inf"), True, "1"])
def test_that_an_integral_before_the_first_frame_that_cannot_be_is_refused(written, before):
    table = "time frame_start frame_duration whole_blood_radioactivity\n30 0 60 5\n90 60 60 7\n"
    assert float(read_input_function(written(table, SIDECAR)).integral(60.0)) == 300
    with pytest.raises(ReadError, match="no usable integral before frame 1"):
        read_input_function(written(table, SIDECAR | {"integral_before_first_frame": before}))


def test_that_what_a_sidecar_says_stays_in_one_line(written):
    table = "time plasma_radioactivity\n0 1\n60 5\n"
    told = {"findings": ["First\nline\x1b[2J", 7], "description": "made\nby"}
    curve = read_input_function(written(table, SIDECAR | told))
    assert "First line [2J" in curve.findings
    assert "7" not in curve.findings
    assert curve.description.startswith("made by, curve file ")
