"""From an ECAT 7 file to Ki by the command line, as from any other study."""

import json

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.cli_study import BLOOD_BQML, EDGES_MIN, V0
from tests.helpers.ecat_factory import write_ecat

from kiview.core.feng import FENG_FDG, feng_activity, feng_integral

SHAPE = (4, 5, 6)
CALIBRATION = 3.0e6
KI = np.linspace(0.005, 0.06, int(np.prod(SHAPE))).reshape(SHAPE)
"""(plane, row, column) as in the file: it grows from head to feet, to the back, to the left."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """An irreversible tracer at mid-frame, in int16 with a scale per frame; gives the file."""
    folder = tmp_path_factory.mktemp("ecat")
    start_s, duration_s = EDGES_MIN[:-1] * 60, np.diff(EDGES_MIN) * 60
    mid = (EDGES_MIN[:-1] + EDGES_MIN[1:]) / 2
    plasma, integral = feng_activity(mid, FENG_FDG), feng_integral(mid, FENG_FDG)
    frames = BLOOD_BQML * (KI * integral[:, None, None, None] + V0 * plasma[:, None, None, None])
    scale = np.maximum(frames.max(axis=(1, 2, 3)), 1.0) / 32000 / CALIBRATION
    stored = np.rint(frames / scale[:, None, None, None] / CALIBRATION).astype(np.int16)
    time = np.arange(0, 3601.0)
    rows = [
        f"{t:g}\t{BLOOD_BQML * a:.9g}"
        for t, a in zip(time, feng_activity(time / 60, FENG_FDG), strict=True)
    ]
    (folder / "plasma.tsv").write_text("time\tplasma_radioactivity\n" + "\n".join(rows) + "\n")
    return write_ecat(
        folder / "study.v", stored, list(start_s), list(duration_s), scale=list(scale),
        ecat_calibration_factor=CALIBRATION,
    )  # fmt: skip


def test_that_info_tells_frames_and_units_of_an_ecat_file(kiview, study):
    code, printed, told = kiview("info", study, "--json")
    assert code == 0, told
    series = json.loads(printed)["series"][0]
    assert series["kind"] == "dynamic"
    assert series["shape_zyx"] == list(SHAPE)
    np.testing.assert_allclose(series["frame_start_s"], EDGES_MIN[:-1] * 60)
    np.testing.assert_allclose(series["frame_duration_s"], np.diff(EDGES_MIN) * 60)
    assert series["units"] == "Bq/cc"
    assert series["verdict"] == {"suv": "refused", "kinetics": "confirm"}
    assert "Zebra" not in printed + told


def test_that_maps_of_an_ecat_file_have_the_true_ki_at_the_true_place(kiview, study, tmp_path):
    out = tmp_path / "maps"
    code, _, told = kiview(
        "map", study, "--input", study.with_name("plasma.tsv"), "--method", "patlak",
        "--frames", "20-60", "--format", "nifti,dicom,pm", "--out", out,
    )  # fmt: skip
    assert code == 0, told
    image = nibabel.load(out / "patlak_Ki.nii.gz")
    values = image.get_fdata()
    ras = nibabel.affines.apply_affine(image.affine, np.argwhere(values > 0))
    middle = (np.array(SHAPE) - 1) / 2
    # The file's order: column to the left (-R), row to the back (-A), plane to the feet (-S).
    column, row, plane = (-ras / [1.75, 2.5, 3.27] + middle[::-1]).T.round().astype(int)
    np.testing.assert_allclose(values[values > 0], KI[plane, row, column], atol=2e-5)
    assert len(column) == KI.size
    written = pydicom.dcmread(out / "patlak_Ki_pm.dcm")
    assert str(written.PatientName) == "Zebra^Ida"
