"""Writes RT structure sets as treatment planning does, and damages objects for tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from kiview.core.errors import ReadError

COLOURS = ([255, 0, 0], [0, 200, 80], [40, 90, 255])


def circle(radius_mm: float, z_mm: float, centre=(0.0, 0.0), count: int = 360) -> np.ndarray:
    """(n, 3) mm: corners of a circle on an axial plane."""
    angle = np.arange(count) * 2 * np.pi / count
    x, y = centre[0] + radius_mm * np.cos(angle), centre[1] + radius_mm * np.sin(angle)
    return np.stack([x, y, np.full(count, z_mm)], axis=-1)


def rectangle(x: tuple[float, float], y: tuple[float, float], z_mm: float) -> np.ndarray:
    """(4, 3) mm: corners of a rectangle on an axial plane."""
    corners = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])]
    return np.array([(*corner, z_mm) for corner in corners])


def write_structure_set(
    path: Path,
    structures: dict[str, list[np.ndarray]],
    source: Dataset | None = None,
    frame_of_reference: str = "1.2.3",
    kind: str = "CLOSED_PLANAR",
    change: Callable[[FileDataset], Any] | None = None,
) -> Path:
    """Write contours, each (n, 3) in mm, by the name of their structure.

    Args:
        path: Where.
        structures: Contours by name.
        source: Patient, study and frame of reference; None invents them.
        frame_of_reference: Where there is no source.
        kind: ContourGeometricType of all.
        change: Called with the data set before it is written.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    made.Modality, made.StructureSetLabel = "RTSTRUCT", "Planning"
    made.SeriesInstanceUID = generate_uid(entropy_srcs=[path.name, "series"])
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyTime"):
        setattr(made, keyword, "" if source is None else source.get(keyword, ""))
    reference = frame_of_reference if source is None else source.FrameOfReferenceUID
    item = Dataset()
    item.FrameOfReferenceUID = reference
    made.ReferencedFrameOfReferenceSequence = Sequence([item])
    made.StructureSetROISequence = Sequence(
        [_roi(i, name, reference) for i, name in enumerate(structures, 1)]
    )
    made.ROIContourSequence = Sequence(
        [_contours(i, contours, kind) for i, contours in enumerate(structures.values(), 1)]
    )
    if change is not None:
        change(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def _roi(number: int, name: str, reference: str) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = number, name
    item.ReferencedFrameOfReferenceUID = reference
    item.ROIGenerationAlgorithm = ""
    return item


def _contours(number: int, contours: list[np.ndarray], kind: str) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = COLOURS[(number - 1) % len(COLOURS)]
    item.ContourSequence = Sequence([_contour(points, kind) for points in contours])
    return item


def _contour(points: np.ndarray, kind: str) -> Dataset:
    item = Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
    item.ContourData = [f"{value:.10g}"[:16] for value in np.ravel(points)]
    return item


def damaged(path: Path, count: int, seed: int) -> Iterator[int]:
    """Write a file again, each time cut off or with three other bytes behind the preamble."""
    whole = path.read_bytes()
    random = np.random.default_rng(seed)
    for trial in range(count):
        content = bytearray(whole)
        if trial % 3 == 0:
            content = content[: random.integers(len(content))]
        else:
            for place in random.integers(132, len(content), 3):
                content[place] = random.integers(256)
        path.write_bytes(content)
        yield trial


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Reading may go well, as most changes do no harm, or be refused in one line."""
    try:
        yield
    except ReadError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both ends are right
