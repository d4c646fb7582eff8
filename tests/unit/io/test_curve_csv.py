"""CSV curves: what stands between cells, decimal commas, units in titles, real tables."""

import csv

import numpy as np
import pytest
from tests.helpers.shared_data import require_shared_data

from kiview.core.errors import ReadError
from kiview.core.input_function import Compartment
from kiview.io.curve_files import read_input_function

TAB = "time[min]\tplasma[kBq/cc]\n0\t0\n0.5\t7\n1.5\t2.25\n"


@pytest.fixture
def file(tmp_path):
    def write(text, name="x.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        TAB,
        TAB.replace("\t", ","),
        TAB.replace("\t", ";"),
        TAB.replace(".", ",").replace("\t", ";"),
        TAB.replace("\t", ",").replace("\n", "\r\n"),
        TAB.replace("\t", ",,").replace("\n", ",\n").replace(",,", ","),
        '"time [min]", "plasma [kBq/cc]"\n"0", "0"\n"0.5", "7"\n"1.5", "2.25"\n',
    ],
)
def test_that_cells_may_stand_between_commas_semicolons_or_tabs(text, file):
    for encoding in ("utf-8", "utf-8-sig"):
        curve = read_input_function(file(text, encoding=encoding))
        time_s, activity = curve.samples(90.0)
        np.testing.assert_allclose(time_s, [0, 30, 90])
        np.testing.assert_allclose(activity, [0, 7000, 2250])
        assert curve.compartment is Compartment.PLASMA


def test_that_a_comma_in_quotes_divides_no_cells(file):
    text = '"time[s]";"plasma; arterial[Bq/mL]"\n0;0\n10;"1,5"\n'
    assert float(read_input_function(file(text)).at(10.0)) == 1.5
    text = 'time[s],"plasma, arterial[Bq/mL]",vein[Bq/mL]\n0,0,0\n10,1.5,2\n'
    curve = read_input_function(file(text), "plasma, arterial")
    assert float(curve.at(10.0)) == 1.5


def test_that_decimal_commas_and_points_in_one_file_are_refused(file):
    text = "time[s];plasma[Bq/mL]\n0;0\n10;1.234,5\n20;1,5\n"
    with pytest.raises(ReadError, match=r"numbers with a comma and numbers with a point"):
        read_input_function(file(text))


def test_that_frames_of_a_csv_keep_their_means(file):
    text = "start[min],end[kBq/cc],aorta\n0,1,3\n1,2.5,5\n"
    curve = read_input_function(file(text))
    assert float(curve.integral(150.0)) == pytest.approx(3000 * 60 + 5000 * 90)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Time,plasma[kBq/cc]\n0,0\n1,2\n", r"no unit of time in its first column, 'Time'.*min"),
        ("time[min],Weights\n0,0\n1,2\n", r"no unit in column 'Weights'; write Bq/mL, kBq/mL"),
        ("time[min],plasma[kBq/cc],blood\n0,0,0\n1,2,3\n", r"no unit in column 'blood'"),
        ("time[min],plasma[cps]\n0,0\n1,2\n", r"activity in column 'plasma' in 'cps'; write"),
        ("time[min],plasma[Bq/mL]\n0,0\n1\n", r"row 2 of the numbers has 1 cells, not 2"),
        ("time[min],plasma[Bq/mL]\n0,0\n1,2,5\n", r"row 2 of the numbers has 3 cells, not 2"),
        (f"time[min],plasma[Bq/mL]\n0,{'9' * 140_000}\n", r"x\.csv is no table"),
    ],
)
def test_that_what_a_csv_leaves_open_is_refused_by_column_and_units(text, told, file):
    with pytest.raises(ReadError, match=told):
        read_input_function(file(text))


def test_that_pmod_text_files_equal_what_another_program_made_of_them():
    folder = require_shared_data("pmod-blood/Ex_txt_manual_and_autosampled_mixed")
    curve = read_input_function(folder / "WholeBloodActivity.txt")
    converted = (folder / "converted_recording-autosampler_blood.tsv").read_text(encoding="utf-8")
    truth = list(csv.DictReader(converted.splitlines(), delimiter="\t"))
    assert curve.compartment is Compartment.WHOLE_BLOOD
    for row in truth:
        expected = 1000 * float(row["whole_blood_radioactivity"])
        assert float(curve.at(float(row["time"]))) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ReadError, match="column 'parent-fraction' in '1/1'"):
        read_input_function(folder / "ParentFraction.txt")


@pytest.mark.parametrize("name", ["pbr28_blooddata.csv", "pbr28_tacdata.csv"])
def test_that_real_tables_without_units_are_refused_by_their_first_column(name):
    path = require_shared_data("kinfitr-pbr28") / name
    with pytest.raises(ReadError, match=r"no unit of time in its first column, 'PET'"):
        read_input_function(path)


def test_that_real_blood_is_read_once_its_titles_have_units(file):
    path = require_shared_data("kinfitr-pbr28/pbr28_blooddata.csv")
    rows = path.read_text(encoding="utf-8").splitlines()
    first = [row.split(",")[1:] for row in rows if row.startswith("rwrd_1,")]
    lines = ["Time[s],blood[kBq/mL],plasma[kBq/mL]", *(",".join(row) for row in first)]
    for name, column in (("blood", 1), ("plasma", 2)):
        time_s, activity = read_input_function(file("\n".join(lines)), name).samples(1e4)
        assert len(time_s) == len(first) > 100
        np.testing.assert_allclose(time_s, [float(row[0]) for row in first])
        np.testing.assert_allclose(activity, [1000 * float(row[column]) for row in first])
        assert activity.min() < -1000


def test_that_real_region_curves_are_read_once_their_titles_have_units(file):
    path = require_shared_data("kinfitr-pbr28/pbr28_tacdata.csv")
    with path.open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["PET"] == "rwrd_1"][1:]
    frames = [
        f"{float(row['StartTime']) - 17};{float(row['StartTime']) - 17 + float(row['Duration'])};"
        f"{row['WB']}"
        for row in rows
    ]
    text = "\n".join(["start[s];end[kBq/mL];WB", *(line.replace(".", ",") for line in frames)])
    curve = read_input_function(file(text))
    end_s = sum(float(row["Duration"]) for row in rows)
    expected = sum(1000 * float(row["WB"]) * float(row["Duration"]) for row in rows)
    assert float(curve.integral(end_s)) == pytest.approx(expected)
