"""Compare two maps that were exported before, and write what comes out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiview.core.agreement import Agreement, agreement
from kiview.core.errors import InvalidInputError, KiviewError, QuantityMismatchError
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.resample import resample
from kiview.io.agreement_writer import NAMES, AgreementReport, write_agreement
from kiview.io.map_record import warnings_of
from kiview.io.staging import refuse_existing, staged
from kiview.jobs.compare_maps import SHOWN_VOXELS
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.regions import RegionFile, read_regions

WHOLE = "all voxels"


@dataclass(frozen=True, slots=True)
class CompareFilesRequest:
    """Two maps on disk.

    Attributes:
        first: Reference map: NIfTI file, DICOM file or folder of one series.
        second: Other map.
        folder: Where to write.
        regions: Region file, or None.
        overwrite: Whether files of the same name are replaced.
    """

    first: Path
    second: Path
    folder: Path
    regions: RegionFile | Path | None = None
    overwrite: bool = False


def compare_files(request: CompareFilesRequest, progress: Progress) -> AgreementReport:
    """Compare over all voxels with a value in both maps, and over each region.

    The second map is brought to the grid of the first.

    Args:
        request: Maps, regions, folder.
        progress: Told at each step.

    Returns:
        What was written.

    Raises:
        QuantityMismatchError: the maps have different units.
        ReadError: a map or the region file cannot be read.
        ExportError: the result cannot be written; nothing was left.
    """
    if not request.overwrite:
        refuse_existing(request.folder, NAMES)
    first = _map(request.first, progress.child(0.0, 0.3))
    second = _map(request.second, progress.child(0.3, 0.6))
    _refuse_other_unit(request, first, second)
    a, grid = first.store.frame(0), first.geometry
    b = resample(second.store.frame(0), second.geometry, grid)
    rows = [agreement(a, b, np.ones(a.shape, np.bool_), WHOLE)]
    findings: list[str] = []
    if request.regions is not None:
        for mask in read_regions(request.regions, grid, progress.child(0.6, 0.8), findings.append):
            _add_row(rows, findings, (a, b), mask.inside, mask.name)
    index = _some_voxels(a, b)
    report = AgreementReport(
        tuple(rows),
        a.ravel()[index],
        b.ravel()[index],
        (_name(request.first, first), _name(request.second, second)),
        first.quantity.unit.symbol,
        tuple(findings),
    )
    with staged(request.folder, request.overwrite) as place:
        progress.step(0.9, "Writing the agreement")
        write_agreement(place, report)
    return report


def _map(path: Path, progress: Progress) -> DynamicImage:
    study = open_study(OpenRequest(path), progress)
    images = [series.image for series in study.series if series.image is not None]
    if len(images) != 1 or images[0].is_dynamic:
        raise InvalidInputError(
            f"{path.name} is not one map; give a NIfTI file, a Parametric Map or the folder of one"
            " series."
        )
    return images[0]


def _name(path: Path, image: DynamicImage) -> str:
    """Name of a map in the tables and pictures, with the marks that the map carries."""
    marks = ", ".join(warnings_of(image.description))
    return f"{path.name} ({marks})" if marks else path.name


def _refuse_other_unit(
    request: CompareFilesRequest, first: DynamicImage, second: DynamicImage
) -> None:
    units = first.quantity.unit.symbol, second.quantity.unit.symbol
    if units[0] != units[1]:
        raise QuantityMismatchError(
            f"{request.first.name} is in {units[0]} but {request.second.name} in {units[1]}; only"
            " maps of one unit can be compared."
        )


def _add_row(
    rows: list[Agreement],
    findings: list[str],
    maps: tuple[NDArray[np.float32], NDArray[np.float32]],
    inside: NDArray[np.bool_],
    name: str,
) -> None:
    try:
        rows.append(agreement(*maps, inside, name))
    except KiviewError as error:
        findings.append(str(error))


def _some_voxels(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.intp]:
    """Indices of some voxels with a value in both maps, spread evenly."""
    index = np.flatnonzero(np.isfinite(a) & np.isfinite(b))
    return index[:: max(1, len(index) // SHOWN_VOXELS)]
