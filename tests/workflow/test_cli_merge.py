"""`kiview map --merge`: maps of merged frames, their record, and the same map once more."""

import json
import math
from itertools import pairwise

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.cli_study import BLOOD_BQML, EDGES_MIN, V0
from tests.helpers.results import sampled_at

from kiview.core.feng import FENG_FDG, feng_activity, feng_integral

HALF_LIFE_MIN = 109.77


def ki_of(study, out):
    return sampled_at(nibabel.load(out / "patlak_Ki.nii.gz"), study.geometry)


def record_of(out, name="patlak_Ki"):
    return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))


def decayed(start, end):
    """Integral of the decay over a frame, in minutes."""
    decay = math.log(2) / HALF_LIFE_MIN
    return (math.exp(-decay * start) - math.exp(-decay * end)) / decay


def true_ki(study, edges_min):
    """Slope through the frames between the edges, each made of the counts of the short ones."""
    mid = EDGES_MIN[:-1] + np.diff(EDGES_MIN) / 2
    plasma, integral = feng_activity(mid, FENG_FDG), feng_integral(mid, FENG_FDG)
    short = study.ki[None] * integral[:, None, None, None] + V0 * plasma[:, None, None, None]
    frames, middles = [], []
    for start, end in pairwise(edges_min):
        parts = [i for i, e in enumerate(EDGES_MIN[:-1]) if start <= e < end]
        counts = sum(short[i] * decayed(EDGES_MIN[i], EDGES_MIN[i + 1]) for i in parts)
        frames.append(BLOOD_BQML * counts / decayed(start, end))
        middles.append((start + end) / 2)
    cp = BLOOD_BQML * feng_activity(np.array(middles), FENG_FDG)
    x = BLOOD_BQML * feng_integral(np.array(middles), FENG_FDG) / cp
    y = np.array(frames).reshape(len(frames), -1) / cp[:, None]
    return np.polyfit(x, y, 1)[0].reshape(study.ki.shape)


@pytest.mark.parametrize(
    ("merge", "frames", "edges"),
    [
        ("10@30", "30-60", (30, 40, 50, 60)),
        ("10@40", "40-60", (40, 50, 60)),
        ("20@20", "20-60", (20, 40, 60)),
        ("10", "40-60", (40, 50, 60)),
    ],
)
def test_that_patlak_of_merged_frames_is_the_slope_through_them(
    kiview, study, tmp_path, merge, frames, edges
):
    out = tmp_path / "maps"
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "patlak", "--frames", frames,
        "--merge", merge, "--out", out,
    )  # fmt: skip
    assert code == 0, told
    tissue = ~study.blood
    ki, expected = ki_of(study, out)[tissue], true_ki(study, edges)[tissue]
    np.testing.assert_allclose(ki, expected, rtol=2e-4, atol=5e-6)  # int16 in the files
    np.testing.assert_allclose(ki, study.ki[tissue], rtol=0.01, atol=1e-4)
    length = edges[1] - edges[0]
    count = len(edges) - 1
    first = int(np.flatnonzero(edges[0] == EDGES_MIN)[0]) + 1
    text = f"Frames {first}-19 ({edges[0]}-60 min) merged into {count} frames of {length} min."
    assert f"merge-frames: {text}" in told
    (step,) = record_of(out)["steps"]
    assert step["name"] == "merge-frames"
    assert step["text"] == text
    assert (step["settings"]["start_s"], step["settings"]["length_s"]) == (
        edges[0] * 60.0,
        length * 60.0,
    )
    assert record_of(out)["settings"]["frames"] == list(range(first, first + count))
    assert step["settings"]["source_frames"][first - 1][0] == first


def test_that_an_input_function_from_a_region_keeps_its_early_part(kiview, study, tmp_path):
    out = tmp_path / "maps"
    code, _, told = kiview(
        "map", study.folder, "--input", f"aorta:{study.aorta}", "--method", "patlak",
        "--merge", "10@30", "--out", out,
    )  # fmt: skip
    assert code == 0, told
    assert "population" not in told
    ki = ki_of(study, out)[~study.blood]
    np.testing.assert_allclose(ki, study.ki[~study.blood], rtol=0.01, atol=2e-5)
    lines = (out / "input_function.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 13 + 3


def test_that_what_is_left_out_is_told_and_written(kiview, study, tmp_path):
    out = tmp_path / "maps"
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "patlak", "--merge", "10@35",
        "--frames", "35-60", "--out", out, "--format", "nifti,dicom,pm",
    )  # fmt: skip
    assert code == 0, told
    text = "Frame 19 is left out (55-60 min): what is left lasts 5 min, less than 10 min."
    assert text in told
    assert text in record_of(out)["derivation"]
    assert record_of(out)["steps"][0]["settings"]["left_out_frames"] == [19]
    slices = sorted((out / "patlak_Ki_dicom").iterdir())
    written = [pydicom.dcmread(path) for path in (slices[0], out / "patlak_Ki_pm.dcm")]
    for one in written:
        assert "merged into 2 frames of 10 min." in one.DerivationDescription
        equipment = one.ContributingEquipmentSequence[-1]
        assert "merged into 2 frames of 10 min." in equipment.ContributionDescription


def test_that_maps_of_frames_as_acquired_tell_no_step(kiview, study, tmp_path):
    out = tmp_path / "maps"
    words = ("--input", study.plasma, "--method", "patlak", "--out", out)
    assert kiview("map", study.folder, *words)[0] == 0
    assert record_of(out)["steps"] == []
    assert "merged" not in record_of(out)["derivation"]


def test_that_a_network_map_of_two_merged_frames_is_computed_again_from_its_record(
    kiview, study, tmp_path
):
    first, again = tmp_path / "first", tmp_path / "again"
    code, _, told = kiview(
        "map", study.folder, "--input", study.plasma, "--method", "network", "--frames", "40-60",
        "--merge", "10@40", "--out", first,
    )  # fmt: skip
    assert code == 0, told
    record = first / "network_Ki.json"
    code, _, told = kiview("map", study.folder, "--from-record", record, "--out", again)
    assert code == 0, told
    old, new = (record_of(folder, "network_Ki") for folder in (first, again))
    assert old["settings"]["frames"] == [16, 17]
    assert new["steps"] == old["steps"]
    assert new["settings"] == old["settings"]
    a, b = (
        np.asanyarray(nibabel.load(folder / "network_Ki.nii.gz").dataobj)
        for folder in (first, again)
    )
    assert np.abs(a).max() > 0
    np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * np.abs(a).max())


def test_that_a_merge_that_does_not_fit_is_refused_in_one_line(kiview, study, tmp_path):
    words = ("--input", study.plasma, "--method", "patlak", "--out", tmp_path / "out")
    code, printed, told = kiview("map", study.folder, *words, "--merge", "10@32")
    assert (code, printed) == (1, "")
    assert "across the start at 32 min" in told.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("word", ["ten", "10@", "@30", "0", "-5", "10@-3", "nan", "inf@30", "10@x"])
def test_that_a_merge_that_cannot_be_read_is_misuse(kiview, study, tmp_path, word):
    words = ("--input", study.plasma, "--method", "patlak", "--out", tmp_path / "out")
    code, _, told = kiview("map", study.folder, *words, f"--merge={word}")
    assert code == 2
    assert "for example 10@30" in told


def test_that_a_record_decides_the_merge_itself(kiview, study, tmp_path):
    words = ("--from-record", "r.json", "--merge", "10@30", "--out", tmp_path / "out")
    code, _, told = kiview("map", study.folder, *words)
    assert code == 2
    assert "--from-record decides --merge itself" in told
