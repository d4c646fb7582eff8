"""Real PET header excerpts (calculate-suv) written into files with made-up pixels."""

import json
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.dicom_patterns.facts import SliceFacts, decimal
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

DATA = Path(__file__).resolve().parents[1] / "data"
_RADIOPHARMACEUTICAL = (
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
)
_DROPPED = ("Manufacturer", "DecayFactor", "PatientSize", "SeriesType")
_PHILIPS = {"SUVScaleFactor": 0x00, "ActivityConcentrationScaleFactor": 0x09}


def excerpt(name: str) -> list[dict[str, object]]:
    """Headers of three slices, as the excerpt says them."""
    path = DATA / "calculate-suv" / f"{name}-instances.json"
    return list(json.loads(path.read_text(encoding="utf-8")))


def write_excerpt(folder: Path, name: str) -> None:
    """Write three slices with exactly the tags of an excerpt besides geometry and pixels."""
    headers = excerpt(name)

    def take_over(ds: Dataset, facts: SliceFacts) -> None:
        item = ds.RadiopharmaceuticalInformationSequence[0]
        for keyword in (*_DROPPED, "AcquisitionDate", "AcquisitionTime"):
            if keyword in ds:
                del ds[keyword]
        del item.RadiopharmaceuticalStartTime
        del item.RadiopharmaceuticalStartDateTime
        for keyword, value in headers[facts.slice_index].items():
            if keyword == "PhilipsPETPrivateGroup":
                _add_philips(ds, value)
            elif keyword in _RADIOPHARMACEUTICAL:
                setattr(item, keyword, _text(value))
            else:
                setattr(ds, keyword, _text(value) if not isinstance(value, list) else value)
        if ds.Units == "CNTS":
            ds.RescaleSlope = "1"

    activity = np.ascontiguousarray(asymmetric_phantom(frame_count=1)[:, : len(headers)])
    write_dynamic_series(
        folder, "siemens", activity, axial_affine(), [0.0], [60.0], change=take_over
    )


def _text(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    return decimal(value) if isinstance(value, float) else str(value).strip()


def _add_philips(ds: Dataset, factors: dict[str, str]) -> None:
    if factors:
        block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
        for name, element in _PHILIPS.items():
            block.add_new(element, "DS", factors[name])
