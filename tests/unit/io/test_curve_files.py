"""PMOD and Turku curves: units from the header, missing values, one curve of several."""

import csv

import numpy as np
import pytest
from tests.helpers.real_headers import DATA

from kiview.core.errors import InvalidInputError, MissingInformationError, ReadError
from kiview.core.input_function import Compartment, InputSource
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.io.curve_files import read_input_function

PMOD = DATA / "pmod-blood" / "Ex_bld_wholeblood_and_plasma_only"
DFT = """DFT            putam putam cereb
exam0001       dx sin .
kBq/ml         pl18 pl18 pl29
Times (min)    675.2 712.8 9167.1
0.00 0.25      0.00e+00 -9.18e-03 2.98e-04
0.25 0.50      1.24e+00 1.11e+00 1.43e+00
0.50 1.00      4.68e+00 .         5.22e+00
# Example data for testing purposes

"""
TAC = (
    "start[minutes] end[kBq/cc] Cerebellum striatum_dx\n"
    "0.00 1.00 3.193e+00 3.624e+00\n"
    "1.00 2.50 5.513e+00 6.538e+00\n"
)
VOISTAT = (
    "# PMOD_VOI_STATISTICS\n# FORMAT[UNI]\n# DATA\n"
    "// Component [string]\tPatientName [string]\tVoiName(Region) [string]\tTime [seconds]"
    "\tAveraged [kBq/cc]\tPVC [kBq/cc]\tVolume [ccm]\n"
    "a\tZebra^Ida\tFL_mid_fr_G_l\t7.5\t0.0515\t0.07\t33.8\n"
    "a\tZebra^Ida\tFL_mid_fr_G_l\t22.5\t5.7628\t7.13\t33.8\n"
    "a\tZebra^Ida\tAorta\t7.5\t1.25\t0.07\t3.8\n"
    "a\tZebra^Ida\tAorta\t22.5\t80.5\t7.13\t3.8\n"
)


@pytest.fixture
def file(tmp_path):
    def write(text, name="curve.tac"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("name", "column", "compartment"),
    [
        ("whole_blood.bld", "whole_blood_radioactivity", Compartment.WHOLE_BLOOD),
        ("plasma_parent.bld", "plasma_radioactivity", Compartment.PLASMA),
    ],
)
def test_that_pmod_blood_equals_what_another_program_made_of_it(name, column, compartment):
    curve = read_input_function(PMOD / name)
    text = (PMOD / "converted__recording-manual_blood.tsv").read_text(encoding="utf-8")
    truth = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    time_s, activity = curve.samples(1e4)
    np.testing.assert_allclose(time_s[-len(truth) :], [float(row["time"]) for row in truth])
    expected = [1000 * float(row[column]) for row in truth]
    np.testing.assert_allclose(activity[-len(truth) :], expected, rtol=1e-9)
    assert curve.compartment is compartment
    assert curve.quantity == ACTIVITY
    assert curve.source is InputSource.SAMPLES
    assert any("decay reference" in told for told in curve.findings)


def test_that_a_tac_of_frames_keeps_their_means(file):
    curve = read_input_function(file(TAC), "Cerebellum")
    # 3193 Bq/mL over 60 s, then 5513 Bq/mL over 90 s.
    assert float(curve.integral(150.0)) == pytest.approx(3193 * 60 + 5513 * 90)
    assert any("neither plasma nor blood" in told for told in curve.findings)


def test_that_a_dft_of_frames_is_read_by_its_four_title_lines(file):
    curve = read_input_function(file(DFT, "x.dft"), "cereb pl29")
    assert float(curve.integral(60.0)) == pytest.approx(15 * 0.298 + 15 * 1430 + 30 * 5220)
    with pytest.raises(InvalidInputError, match=r"x\.dft has frames without a value"):
        read_input_function(file(DFT, "x.dft"), "putam sin pl18")


def test_that_dft_content_counts_and_not_the_ending(file):
    curve = read_input_function(file(DFT, "x.tac"), "cereb pl29")
    assert float(curve.integral(15.0)) == pytest.approx(15 * 0.298)


def test_that_samples_without_a_value_are_left_out(file):
    text = "DFT1\tPlasma\nut1\t.\nBq/cc\t.\nTime (sec)\t.\n0\t0\n10\t500\n20\t.\n30\t\n40\t100\n"
    curve = read_input_function(file(text, "x.dft"))
    assert curve.compartment is Compartment.PLASMA
    # Straight from 500 at 10 s to 100 at 40 s.
    np.testing.assert_allclose(curve.at([10, 25, 40]), [500, 300, 100])
    assert any("2 rows without an activity" in told for told in curve.findings)


def test_that_voistat_gives_the_region_named_after_blood_and_no_patient(file):
    curve = read_input_function(file(VOISTAT, "x.voistat"))
    np.testing.assert_allclose(curve.at([7.5, 22.5]), [1250, 80500])
    assert "Zebra" not in " ".join((curve.description, *curve.findings))
    brain = read_input_function(file(VOISTAT, "x.voistat"), "fl_mid_fr_g_l")
    np.testing.assert_allclose(brain.at([7.5, 22.5]), [51.5, 5762.8])


def test_that_one_of_several_curves_must_be_named(file):
    with pytest.raises(InvalidInputError, match=r"several curves.*Cerebellum, striatum_dx"):
        read_input_function(file(TAC))
    with pytest.raises(InvalidInputError, match=r"no curve 'liver'"):
        read_input_function(file(TAC), "liver")


def test_that_plasma_is_preferred_to_blood(file):
    text = "time[min]\tblood[kBq/cc]\tplasma[kBq/cc]\n0\t0\t0\n1\t10\t20\n"
    curve = read_input_function(file(text, "x.bld"))
    assert curve.compartment is Compartment.PLASMA
    assert float(curve.at(60.0)) == 20000


@pytest.mark.parametrize(
    ("unit", "quantity", "factor"),
    [
        ("Bq/cc", ACTIVITY, 1),
        ("kBq/ml", ACTIVITY, 1e3),
        ("MBq/cc", ACTIVITY, 1e6),
        ("nCi/cc", ACTIVITY, 37),
        ("g/ml", SUV_BW, 1),
    ],
)
@pytest.mark.parametrize(("time", "seconds"), [("sec", 1), ("seconds", 1), ("min", 60)])
def test_that_units_of_the_titles_are_obeyed(unit, quantity, factor, time, seconds, file):
    text = f"time[{time}]\tplasma[{unit}]\n0\t0\n10\t4\n"
    curve = read_input_function(file(text, "x.bld"))
    assert curve.quantity == quantity
    assert float(curve.at(10.0 * seconds)) == pytest.approx(4 * factor)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time\tplasma[kBq/cc]\n0\t0\n1\t2\n", "no unit of time"),
        ("time[min]\tplasma\n0\t0\n1\t2\n", "no unit in column 'plasma'"),
        ("time[fortnight]\tplasma[kBq/cc]\n0\t0\n1\t2\n", "'fortnight'"),
        ("time[min]\tplasma[cps]\n0\t0\n1\t2\n", "'cps'"),
        ("time[min]\tplasma[1/1]\n0\t0\n1\t2\n", "'1/1'"),
        ("0\t0\n1\t2\n", "no unit of time"),
        ("time[min]\tplasma[kBq/cc]\n0\t0\n1\tx\n", "'x' in row 2"),
        ("time[min]\tplasma[kBq/cc]\n0\t0\n1\n", "row 2 of the numbers has 1 cells"),
        ("time[min]\tplasma[kBq/cc]\n0\t0\n1\t2\t3\n", "row 2 of the numbers has 3 cells"),
        ("time[min]\n", "holds no curve"),
        (DFT.replace("(min)", "(lunar)"), "'lunar'"),
        (DFT.replace("Times", "End"), "Times"),
        (DFT.replace("kBq/ml", "unknown"), "'unknown'"),
        (VOISTAT.replace("Averaged", "Median"), "lacks one of the columns"),
    ],
)
def test_that_what_is_not_told_is_refused_in_a_sentence(text, told, file):
    with pytest.raises(ReadError, match=told):
        read_input_function(file(text, "x.bld"))


def test_that_frames_that_begin_late_are_refused(file):
    late = TAC.replace("0.00 1.00", "0.50 1.00")
    with pytest.raises(MissingInformationError, match="30 s after injection"):
        read_input_function(file(late), "Cerebellum")


def test_that_binary_and_absent_files_are_told(tmp_path):
    (tmp_path / "x.tac").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ReadError, match="no text file"):
        read_input_function(tmp_path / "x.tac")
    with pytest.raises(ReadError, match="cannot be read"):
        read_input_function(tmp_path / "gone.dft")
