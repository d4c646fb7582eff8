"""RT structure sets (PS3.3 A.19): closed planar contours in patient mm.

Only `CLOSED_PLANAR` and `CLOSEDPLANAR_XOR` contours enclose a volume. How contours on one plane are
combined is told in `kiview.core.contours`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from kiview.core.errors import ReadError
from kiview.core.progress import Progress
from kiview.core.region_object import STRUCTURE_SET, RegionObject, Structure
from kiview.io.dicom_objects import (
    LARGEST_MM,
    MOST_STRUCTURES,
    Breath,
    distinct_names,
    items_of,
    read_header_until,
    read_whole,
    text_of,
    told_of,
    whole_number,
)

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
MOST_CONTOURS = 100_000
"""Of all structures together."""
MOST_CORNERS = 5_000_000
"""Of all structures together."""
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_ROI_CONTOURS = 0x30060039
_CONTOUR_DATA = 0x30060050
_LONGEST_NUMBER = 32
_STEP = 200


@dataclass(frozen=True, slots=True, eq=False)
class ContouredStructure:
    """One structure as read.

    Attributes:
        number: ROI number.
        colour: `#rrggbb`, empty if the object names none.
        contours: (n, 3) corners in LPS mm each.
        problem: Why it is no region, empty if it is one.
    """

    number: int
    colour: str
    contours: tuple[NDArray[np.float64], ...]
    problem: str = ""


def list_structure_set(path: Path) -> RegionObject:
    """What a structure set contains, without its contours.

    Raises:
        ReadError: the file cannot be read, is damaged or no structure set.
    """
    with told_of(path):
        dataset = read_header_until(path, _ROI_CONTOURS)
        if str(dataset.get("SOPClassUID", "")) != RT_STRUCTURE_SET:
            raise ReadError(f"{path.name} is no RT structure set.")
        items = items_of(dataset, "StructureSetROISequence", MOST_STRUCTURES, "structures")
        numbers = [whole_number(item, "ROINumber") for item in items]
        if len(set(numbers)) < len(numbers):
            raise ReadError(
                f"{path.name} uses the same number for several structures; export it again."
            )
        names = [
            text_of(item, "ROIName") or f"Structure {number}"
            for item, number in zip(items, numbers, strict=True)
        ]
        reference = _frame_of_reference(dataset)
        structures = tuple(
            Structure(number, name, str(item.get("ReferencedFrameOfReferenceUID") or reference))
            for number, name, item in zip(
                numbers, distinct_names(names, numbers), items, strict=True
            )
        )
        return RegionObject(
            path=str(path),
            modality=STRUCTURE_SET,
            uid=str(dataset.get("SOPInstanceUID", "")),
            series_uid=str(dataset.get("SeriesInstanceUID", "")),
            study_uid=str(dataset.get("StudyInstanceUID", "")),
            patient_id=str(dataset.get("PatientID", "")),
            description=text_of(dataset, "StructureSetLabel")
            or text_of(dataset, "SeriesDescription"),
            structures=structures,
        )


def _frame_of_reference(dataset: Dataset) -> str:
    """The one frame of reference of the object, empty if it names none or several."""
    listed = {
        str(item.get("FrameOfReferenceUID") or "")
        for item in items_of(dataset, "ReferencedFrameOfReferenceSequence", 1000, "references")
    }
    named = str(dataset.get("FrameOfReferenceUID") or "")
    return named or (listed.pop() if len(listed) == 1 else "")


def read_structure_set(
    path: Path, numbers: Collection[int], progress: Progress
) -> tuple[ContouredStructure, ...]:
    """Read the contours of some structures.

    Args:
        path: The file.
        numbers: Numbers of the wanted structures.
        progress: Told now and then.

    Returns:
        The wanted structures in the order of the object; those without a closed contour with the
        reason.

    Raises:
        ReadError: the file cannot be read, is damaged, or holds more than a patient can need.
    """
    with told_of(path):
        progress.step(0.0, f"Reading {path.name}")
        dataset = read_whole(path)
        if str(dataset.get("SOPClassUID", "")) != RT_STRUCTURE_SET:
            raise ReadError(f"{path.name} is no RT structure set.")
        items = items_of(dataset, "ROIContourSequence", MOST_STRUCTURES, "structures")
        budget = _Budget(path.name)
        found: dict[int, ContouredStructure] = {}
        for place, item in enumerate(items):
            number = whole_number(item, "ReferencedROINumber")
            if number not in numbers:
                continue
            if number in found:
                raise ReadError(f"{path.name} describes structure {number} twice; export it again.")
            part = progress.child(place / len(items), (place + 1) / len(items))
            found[number] = _structure(item, number, budget, part)
    return tuple(
        found.get(number) or ContouredStructure(number, "", (), "It has no contour.")
        for number in numbers
    )


@dataclass(slots=True)
class _Budget:
    """How much was read so far."""

    file: str
    breath: Breath = field(default_factory=Breath)
    contours: int = 0
    corners: int = 0

    def spend(self, corners: int) -> None:
        self.contours += 1
        self.corners += corners
        if self.contours > MOST_CONTOURS or self.corners > MOST_CORNERS:
            raise ReadError(
                f"{self.file} holds more contours than KiView reads ({MOST_CONTOURS} with"
                f" {MOST_CORNERS} corners); read fewer structures at a time."
            )


def _structure(
    item: Dataset, number: int, budget: _Budget, progress: Progress
) -> ContouredStructure:
    colour = _colour(item)
    contours = items_of(item, "ContourSequence", MOST_CONTOURS, "contours")
    kinds = {str(contour.get("ContourGeometricType") or "unknown") for contour in contours}
    others = sorted(kinds - set(_CLOSED))
    if others:
        told = f"It holds {' and '.join(others)} contours, which enclose no volume."
        return ContouredStructure(number, colour, (), told)
    if not contours:
        return ContouredStructure(number, colour, (), "It has no contour.")
    points = []
    for place, contour in enumerate(contours):
        if place % _STEP == 0:
            progress.step(place / len(contours), f"Contours of structure {number}")
        points.append(_corners(contour, budget))
        budget.breath.take()
    return ContouredStructure(number, colour, tuple(points))


def _corners(contour: Dataset, budget: _Budget) -> NDArray[np.float64]:
    """(n, 3) mm; pydicom's own numbers take a hundred times longer."""
    raw = contour.get_item(_CONTOUR_DATA)
    value: Any = getattr(raw, "value", None)
    if value is None or isinstance(value, Dataset):
        raise ReadError("A contour has no corners; export the object again.")
    if not isinstance(value, bytes):  # pydicom made numbers of it already
        value = "\\".join(map(str, value if hasattr(value, "append") else [value])).encode()
    parts = value.rstrip(b" \0").split(b"\\")
    budget.spend(len(parts) // 3)
    if len(parts) % 3:
        raise ReadError("The corners of a contour are not three numbers each; export it again.")
    numbers = _numbers(parts)
    if not (np.abs(numbers) <= LARGEST_MM).all():  # NaN as well
        raise ReadError(
            f"A contour lies at an impossible place (beyond {LARGEST_MM / 1000:g} m); export the"
            " object again."
        )
    if contour.get("NumberOfContourPoints") is not None:
        told = whole_number(contour, "NumberOfContourPoints")
        if told != len(numbers) // 3:
            raise ReadError(
                f"A contour says {told} corners but has {len(numbers) // 3}; export it again."
            )
    return numbers.reshape(-1, 3)


def _numbers(parts: list[bytes]) -> NDArray[np.float64]:
    """Decimal strings as numbers, in one call: the window has its turn in between."""
    is_odd = max(map(len, parts)) > _LONGEST_NUMBER or any(b"_" in part for part in parts)
    try:
        return np.array([b""] if is_odd else parts).astype(np.float64)
    except ValueError:
        raise ReadError(
            "The corners of a contour are no numbers; export the object again."
        ) from None


def _colour(item: Dataset) -> str:
    value = item.get("ROIDisplayColor")
    try:
        parts = [int(part) for part in value or ()]
    except (TypeError, ValueError):
        return ""
    if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
        return ""
    return "#{:02x}{:02x}{:02x}".format(*parts)
