"""Curves on disk: columns, units, sidecar."""

import csv
import json

import numpy as np
import pytest

from kiview.core.errors import ExportError
from kiview.core.feng import FENG_FDG
from kiview.core.input_function import Compartment, InputFunction, from_region, from_samples
from kiview.core.tac import TimeActivityCurve
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.io.curve_writer import CurveOrigin, write_input_function, write_region_curve


def read(path):
    """Columns of a TSV as arrays, read by the standard library."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def sidecar(path):
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def tac(start_s=(0.0, 60.0, 240.0)):
    timing = FrameTiming(start_s, [60.0, 180.0, 1800.0])
    mean, std = [1e4, 31234.56789, 2.5e3], [1.0, 2.0, 3.0]
    return TimeActivityCurve(timing, np.array(mean), np.array(std), 25, ACTIVITY, "aorta")


def test_that_a_region_curve_is_written_with_frames_and_units(tmp_path):
    written = write_region_curve(tmp_path / "aorta.tsv", tac())
    assert written == (tmp_path / "aorta.tsv", tmp_path / "aorta.json")
    columns = read(tmp_path / "aorta.tsv")
    assert next(iter(columns)) == "time"
    np.testing.assert_allclose(columns["time"], [30, 150, 1140])
    np.testing.assert_allclose(columns["whole_blood_radioactivity"], tac().mean, rtol=1e-9)
    np.testing.assert_allclose(columns["frame_duration"], [60, 180, 1800])
    record = sidecar(tmp_path / "aorta.tsv")
    assert record["whole_blood_radioactivity"]["Units"] == "Bq/mL"
    assert record["time"]["Units"] == record["frame_start"]["Units"] == "s"
    assert (record["PlasmaAvail"], record["WholeBloodAvail"]) == (False, True)
    assert (record["region"], record["voxel_count"]) == ("aorta", 25)


def test_that_an_image_derived_input_keeps_what_its_integral_needs(tmp_path):
    curve = from_region(tac((30.0, 90.0, 270.0)), FENG_FDG)
    write_input_function(tmp_path / "input.tsv", curve, 3600.0)
    columns, record = read(tmp_path / "input.tsv"), sidecar(tmp_path / "input.tsv")
    frames = columns["whole_blood_radioactivity"] * columns["frame_duration"]
    total = record["integral_before_first_frame"] + frames.sum()
    assert total == pytest.approx(float(curve.integral(2070.0)), rel=1e-9)
    assert record["source"] == "image-derived"
    assert len(record["findings"]) == 1


def test_that_plasma_samples_are_written_as_plasma(tmp_path):
    curve = from_samples([0.0, 10.0, 3600.0], [0.0, 9.5, 1.25], SUV_BW)
    write_input_function(tmp_path / "input.tsv", curve, 3600.0)
    columns = read(tmp_path / "input.tsv")
    assert set(columns) == {"time", "plasma_radioactivity"}
    np.testing.assert_array_equal(columns["plasma_radioactivity"], [0, 9.5, 1.25])
    assert sidecar(tmp_path / "input.tsv")["plasma_radioactivity"]["Units"] == "g/mL"


def test_that_a_plasma_factor_is_seen_in_both_columns(tmp_path):
    blood = from_samples([0.0, 10.0], [0.0, 10.0], ACTIVITY, Compartment.WHOLE_BLOOD)
    curve = InputFunction(
        blood.curve, blood.source, blood.quantity, Compartment.WHOLE_BLOOD, plasma_factor=1.1
    )
    write_input_function(tmp_path / "input.tsv", curve, 3600.0)
    columns = read(tmp_path / "input.tsv")
    np.testing.assert_allclose(columns["whole_blood_radioactivity"], [0, 10])
    np.testing.assert_allclose(columns["plasma_radioactivity"], [0, 11])


def test_that_a_curve_is_only_written_as_tsv(tmp_path):
    with pytest.raises(ExportError, match=r"\.tsv"):
        write_region_curve(tmp_path / "aorta.csv", tac())


def test_that_the_sidecar_tells_findings_and_whether_decay_was_corrected(tmp_path):
    origin = CurveOrigin(findings=("Look at this.",), is_at_injection=False)
    write_region_curve(tmp_path / "a.tsv", tac(), origin)
    record = sidecar(tmp_path / "a.tsv")
    assert record["findings"] == ["Look at this."]
    assert record["decay_corrected_to_injection"] is False
    told = record["whole_blood_radioactivity"]["Description"]
    assert told == "Radioactivity of whole blood, not decay-corrected to injection"
    write_region_curve(tmp_path / "b.tsv", tac())
    told = sidecar(tmp_path / "b.tsv")["whole_blood_radioactivity"]["Description"]
    assert told == "Radioactivity of whole blood, decay-corrected to injection"
