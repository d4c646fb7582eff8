"""Rules of curve files that the other tests of curves leave out."""

import numpy as np
import pytest

from kiview.core.errors import ReadError
from kiview.io.curve_files import read_input_function


@pytest.fixture
def file(tmp_path):
    def write(text, name="x.tac", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write


def test_that_activity_and_suv_in_one_file_are_refused(file):
    text = "time[min]\tplasma[kBq/cc]\tblood[g/ml]\n0\t0\t0\n1\t2\t3\n"
    with pytest.raises(ReadError, match="mixes activity and SUV"):
        read_input_function(file(text))


def test_that_a_unit_of_volume_in_the_third_dft_line_is_no_curve_name(file):
    text = "DFT1\tPlasma\nut1\t.\nkBq/ml\t(ml)\tpl1\nTime (min)\t1\n0\t0\n1\t2\n2\t4\n"
    curve = read_input_function(file(text, "x.dft"), "Plasma pl1")
    np.testing.assert_allclose(curve.at([60.0, 120.0]), [2000.0, 4000.0])


def test_that_regions_at_different_times_are_refused(file):
    text = (
        "# PMOD_VOI_STATISTICS\nVoiName(Region)\tTime [seconds]\tAveraged [kBq/cc]\n"
        "Aorta\t1\t2\nAorta\t2\t3\nLiver\t1\t2\nLiver\t3\t3\n"
    )
    with pytest.raises(ReadError, match="regions at different times"):
        read_input_function(file(text, "x.voistat"))


@pytest.mark.parametrize("cell", ["1_000", "ten"])
def test_that_a_cell_that_is_no_number_is_told_with_its_row(cell, file):
    with pytest.raises(ReadError, match=f"'{cell}' in row 2"):
        read_input_function(file(f"time[min]\tplasma[kBq/cc]\n0\t0\n1\t{cell}\n"))


@pytest.mark.parametrize(
    "heading", ["time [min] plasma [kBq/cc]", "time [min]\tplasma [kBq/cc]\t\t"]
)
def test_that_spaces_before_units_and_tabs_after_titles_are_understood(heading, file):
    curve = read_input_function(file(f"{heading}\n0 0\n1 2\n"))
    assert float(curve.at(60.0)) == 2000.0


def test_that_a_mark_of_byte_order_is_no_part_of_the_title(file):
    text = "time[min]\tplasma[kBq/cc]\n0\t0\n1\t2\n"
    curve = read_input_function(file(text, "x.bld", "utf-8-sig"))
    assert float(curve.at(60.0)) == 2000.0
    starts_and_ends = "start[min]\tend[kBq/cc]\tplasma\n0\t1\t2\n1\t2\t4\n"
    curve = read_input_function(file(starts_and_ends, "y.tac", "utf-8-sig"))
    assert float(curve.integral(120.0)) == 60 * 2000 + 60 * 4000


def test_that_comments_are_left_out_wherever_they_stand(file):
    text = "# made by hand\ntime[min]\tplasma[kBq/cc]\n0\t0\n# a pause\n1\t2\n"
    assert float(read_input_function(file(text)).at(60.0)) == 2000.0


@pytest.mark.parametrize(
    ("unit", "seconds"), [("s", 1), ("sec", 1), ("min", 60), ("minutes", 60), ("h", 3600)]
)
def test_that_a_time_unit_is_obeyed(unit, seconds, file):
    curve = read_input_function(file(f"time[{unit}]\tplasma[Bq/cc]\n0\t0\n0.5\t7\n"))
    assert float(curve.at(0.5 * seconds)) == 7.0
