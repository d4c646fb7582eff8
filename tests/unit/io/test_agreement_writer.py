"""Agreement on disk: numbers that other programs read, pictures that are sound."""

import csv
import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from kiview.core.agreement import agreement
from kiview.io.agreement_writer import NAMES, AgreementReport, write_agreement


def report(a, b, **changes):
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    row = agreement(a, b, np.ones(a.shape, bool), "all <voxels>")
    record = {"names": ("a & b.nii", "c.nii"), "unit": "mL/min/mL", "findings": ("One is odd.",)}
    return AgreementReport((row,), a, b, **(record | changes))


def test_that_the_numbers_are_those_of_the_maps(tmp_path):
    write_agreement(tmp_path, report([1, 2, 3, 4], [1.5, 2.5, 3.5, 4.5]))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    with (tmp_path / "agreement.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["bias"]) == pytest.approx(0.5)
    assert float(row["bias_percent"]) == pytest.approx(20.0)
    assert (row["name"], row["unit"], row["map_a"]) == ("all <voxels>", "mL/min/mL", "a & b.nii")
    record = json.loads((tmp_path / "agreement.json").read_text(encoding="utf-8"))
    assert record["regions"][0]["correlation"] == pytest.approx(1.0)
    assert record["findings"] == ["One is odd."]
    assert "Research use only" in record["intended_use"]


def test_that_what_is_no_number_is_null(tmp_path):
    write_agreement(tmp_path, report([0, 0], [0, 0]))
    (row,) = json.loads((tmp_path / "agreement.json").read_text(encoding="utf-8"))["regions"]
    assert row["bias_percent"] is None
    assert row["correlation"] is None


@pytest.mark.parametrize("name", ["scatter.svg", "bland_altman.svg"])
@pytest.mark.parametrize("values", [([1, 2, 3], [1.2, 1.9, 3.3]), ([2, 2], [2, 2])])
def test_that_every_voxel_is_a_dot_inside_the_picture(tmp_path, name, values):
    write_agreement(tmp_path, report(*values))
    picture = ET.parse(tmp_path / name).getroot()
    dots = picture.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == len(values[0])
    for dot in dots:
        assert 84 <= float(dot.get("cx")) <= 616
        assert 46 <= float(dot.get("cy")) <= 418
    assert "mL/min/mL" in "".join(picture.itertext())
