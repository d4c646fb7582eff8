"""A multi-frame study from the command line and in the window: the maps of the single slices."""

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from tests.helpers.cli_study import CliStudy, write_cli_study
from tests.helpers.multiframe import read_slices, write_enhanced, write_legacy_converted
from tests.helpers.results import dciodvfy_errors


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> CliStudy:
    return write_cli_study(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def slices(study: CliStudy) -> list[Dataset]:
    found = read_slices(sorted(study.folder.rglob("*.dcm")))
    order = np.random.default_rng(3).permutation(len(found))
    return [found[i] for i in order]


def mapped(kiview, folder: Path, study: CliStudy, out: Path) -> dict[str, np.ndarray]:
    code, _, told = kiview(
        "map", folder, "--input", study.plasma, "--method", "patlak", "--frames", "20-60",
        "--out", out, "--format", "nifti,dicom,pm",
    )  # fmt: skip
    assert code == 0, told
    return {
        quantity: nibabel.load(out / f"patlak_{quantity}.nii.gz").get_fdata()
        for quantity in ("Ki", "V0")
    }


@pytest.mark.parametrize("write", [write_enhanced, write_legacy_converted])
def test_that_maps_of_a_multi_frame_study_are_those_of_its_slices(
    write, kiview, study: CliStudy, slices: list[Dataset], tmp_path: Path
) -> None:
    write(tmp_path / "multi", [slices])
    expected = mapped(kiview, study.folder, study, tmp_path / "classic-maps")
    found = mapped(kiview, tmp_path / "multi", study, tmp_path / "multi-maps")
    for quantity, values in expected.items():
        np.testing.assert_array_equal(found[quantity], values)
    derived = sorted((tmp_path / "multi-maps").rglob("*.dcm"))
    single = next(path for path in derived if "slice" in path.name)
    ds = pydicom.dcmread(single)
    agent = ds.RadiopharmaceuticalInformationSequence[0]
    assert float(agent.RadionuclideTotalDose) == 3.7e8  # in Bq again
    assert agent.RadiopharmaceuticalStartTime
    assert set(ds.CorrectedImage) == set(slices[0].CorrectedImage)
    assert ds.DecayCorrection in ("START", "ADMIN")  # the scan began with the injection
    assert ds.AcquisitionTime
    assert ds.PatientID == slices[0].PatientID
    assert float(ds.PatientWeight) == float(slices[0].PatientWeight)
    assert dciodvfy_errors(single) == []


def test_that_info_tells_frames_and_units_of_an_enhanced_study(
    kiview, slices: list[Dataset], tmp_path: Path
) -> None:
    write_enhanced(tmp_path / "enhanced", [slices])
    code, printed, told = kiview("info", tmp_path / "enhanced")
    assert code == 0, told
    assert "20 x 16 x 6 voxels of 1.75 x 2.5 x 3.27 mm, Bq/mL" in printed
    assert "19 frames, 0-60 min after injection" in printed
