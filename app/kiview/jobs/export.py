"""Write results to a folder: whole or not at all, with what made them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from kiview.core.errors import ExportError, InvalidInputError, StaleResultError
from kiview.core.images import MapSet, ParametricMap, RecordFile
from kiview.core.input_function import InputFunction
from kiview.core.progress import Progress
from kiview.core.study import PatientInfo
from kiview.core.tac import TimeActivityCurve
from kiview.io import curve_writer
from kiview.io.curve_writer import CurveOrigin
from kiview.io.dicom_common import SourceHeader, made_up_header, read_source_header
from kiview.io.dicom_map import write_parametric_map
from kiview.io.dicom_pet_map import write_pet_map
from kiview.io.image_kinds import ImageKind, files_of, kind_of
from kiview.io.map_record import file_stem
from kiview.io.nifti_writer import write_nifti_map
from kiview.io.staging import refuse_existing, staged

INPUT_FUNCTION_NAME = "input_function.tsv"
FIRST_SERIES_NUMBER = 9001
"""Above the numbers scanners give, so that derived series sort last."""
DEFAULT_END_S = 3600.0


class ExportFormat(StrEnum):
    """How maps are written."""

    NIFTI = "nifti"
    """One `.nii.gz` and `.json` per map, and what the `.json` refers to."""
    DICOM = "dicom"
    """One derived PET series per map."""
    PARAMETRIC_MAP = "pm"
    """One DICOM Parametric Map per map."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportRequest:
    """What to write and where.

    Attributes:
        results: Runs whose maps are written, at least one.
        folder: Folder for the files; made if absent.
        formats: At least one format.
        patient: Who it is, for results of files without a DICOM header.
        source_files: Files of the series the maps were computed from; the first DICOM file gives
            patient and study.
        input_function: Written beside the maps, if given.
        end_s: Where a population curve ends in the file.
        findings: Sentences about the study that the sidecars repeat after those of the run.
        overwrite: Whether files of the same name are replaced.
        stale: Whether an input changed since the maps were computed; they are refused then.
    """

    results: tuple[MapSet, ...]
    folder: Path
    formats: tuple[ExportFormat, ...]
    patient: PatientInfo = field(default_factory=PatientInfo)
    source_files: tuple[str, ...] = ()
    input_function: InputFunction | None = None
    end_s: float = DEFAULT_END_S
    findings: tuple[str, ...] = ()
    overwrite: bool = False
    stale: bool = False

    def __post_init__(self) -> None:
        if not self.results or not self.formats:
            raise InvalidInputError("Choose at least one map and one format to export.")


_Writer = Callable[[Path, Progress], None]


def export_maps(request: ExportRequest, progress: Progress) -> tuple[Path, ...]:
    """Write maps as NIfTI, derived PET series and Parametric Map.

    Args:
        request: What to write and where.
        progress: Told after each slice; may stop the work, which leaves the folder as it was.

    Returns:
        The files and series folders written, by name; no name holds patient data.

    Raises:
        StaleResultError: the maps no longer belong to their inputs.
        ExportError: a file is in the way, the disk is full, the folder is read-only, or a format
            cannot hold a map.
        ReadError: the header of the source series cannot be read any more.
        Cancelled: the user stopped the work.
    """
    if request.stale:
        raise StaleResultError(
            "An input of these maps has changed since they were computed; compute them again before"
            " exporting."
        )
    names = export_names(request)
    if not request.overwrite:
        refuse_existing(request.folder, names)
    writers = _writers(request)
    with staged(request.folder, request.overwrite) as place:
        for number, (what, write) in enumerate(writers):
            start, end = number / len(writers), (number + 1) / len(writers)
            progress.step(start, f"Writing {what}")
            write(place, progress.child(start, end))
        progress.step(1.0, "Moving the files into place")
    return tuple(request.folder / name for name in names)


def refuse_existing_results(folder: Path, methods: Sequence[str]) -> None:
    """Refuse a folder that holds results of some methods, before they are computed again.

    Raises:
        ExportError: it does; the text names one.
    """
    if folder.is_dir():
        starts = tuple(f"{method}_" for method in methods)
        found = sorted(path.name for path in folder.iterdir())
        mine = [name for name in found if name.startswith(starts) or name == INPUT_FUNCTION_NAME]
        refuse_existing(folder, mine)


def export_input_function(
    path: Path,
    input_function: InputFunction,
    end_s: float,
    overwrite: bool = False,
    origin: CurveOrigin | None = None,
) -> tuple[Path, ...]:
    """Write one input function as TSV with its sidecar, whole or not at all.

    Args:
        path: File ending in `.tsv`.
        input_function: The curve.
        end_s: Where to end a curve that has no end itself.
        overwrite: Whether files of the same name are replaced.
        origin: What is known of the series it is from; the sidecar tells it.
    """

    def write(target: Path) -> None:
        curve_writer.write_input_function(target, input_function, end_s, origin)

    return _export_pair(path, write, overwrite)


def export_region_curve(
    path: Path,
    tac: TimeActivityCurve,
    overwrite: bool = False,
    origin: CurveOrigin | None = None,
) -> tuple[Path, ...]:
    """Write the curve of a region as TSV with its sidecar, whole or not at all.

    Args:
        path: File ending in `.tsv`.
        tac: The curve.
        overwrite: Whether files of the same name are replaced.
        origin: What is known of the series it is from; the sidecar tells it.
    """

    def write(target: Path) -> None:
        curve_writer.write_region_curve(target, tac, origin)

    return _export_pair(path, write, overwrite)


def refuse_existing_curve(path: Path) -> None:
    """Refuse a place that holds a curve, before one is computed for it.

    Args:
        path: File ending in `.tsv`.

    Raises:
        ExportError: it, or its sidecar, is there.
    """
    refuse_existing(path.parent, _pair(path))


def _pair(path: Path) -> list[str]:
    return [path.name, path.with_suffix(".json").name]


def _export_pair(path: Path, write: Callable[[Path], None], overwrite: bool) -> tuple[Path, ...]:
    names = _pair(path)
    if not overwrite:
        refuse_existing_curve(path)
    with staged(path.parent, overwrite) as place:
        write(place / path.name)
    return tuple(path.parent / name for name in names)


def export_names(request: ExportRequest) -> list[str]:
    """Names of everything that will be written, in order."""
    names: list[str] = []
    for parametric_map in _maps(request):
        stem = file_stem(parametric_map)
        if ExportFormat.NIFTI in request.formats:
            names += [f"{stem}.nii.gz", f"{stem}.json"]
        if ExportFormat.DICOM in request.formats:
            names.append(f"{stem}_dicom")
        if ExportFormat.PARAMETRIC_MAP in request.formats:
            names.append(f"{stem}_pm.dcm")
    names += [file.name for file in _record_files(request)]
    if len(set(names)) < len(names):
        raise ExportError(
            "Two of these runs would be written to the same file names; export them to different"
            " folders."
        )
    if request.input_function is not None:
        names += [INPUT_FUNCTION_NAME, Path(INPUT_FUNCTION_NAME).with_suffix(".json").name]
    return names


def _maps(request: ExportRequest) -> list[ParametricMap]:
    return [parametric_map for result in request.results for parametric_map in result.maps]


def _record_files(request: ExportRequest) -> list[RecordFile]:
    """Files that the JSON records refer to."""
    if ExportFormat.NIFTI not in request.formats:
        return []
    return [file for result in request.results for file in result.record_files]


def _writers(request: ExportRequest) -> list[tuple[str, _Writer]]:
    """One (label, function) per thing to write."""
    writers: list[tuple[str, _Writer]] = []
    formats = set(request.formats)
    if ExportFormat.NIFTI in formats:
        writers += [
            (file_stem(one), _nifti_writer(one, (*result.findings, *request.findings)))
            for result in request.results
            for one in result.maps
        ]
    writers += [(file.name, _record_writer(file)) for file in _record_files(request)]
    if formats & {ExportFormat.DICOM, ExportFormat.PARAMETRIC_MAP}:
        header = _header(request)
        for number, one in enumerate(_maps(request)):
            series_number = FIRST_SERIES_NUMBER + 2 * number
            if ExportFormat.DICOM in formats:
                writers.append((file_stem(one), _pet_writer(one, header, series_number)))
            if ExportFormat.PARAMETRIC_MAP in formats:
                writers.append((file_stem(one), _pm_writer(one, header, series_number + 1)))
    if request.input_function is not None:
        origin = CurveOrigin(tuple(request.results[0].provenance.user_given.items()))
        write_input = _input_writer(request.input_function, request.end_s, origin)
        writers.append(("input function", write_input))
    return writers


def _header(request: ExportRequest) -> SourceHeader:
    beside: set[str] = set()
    for name in request.source_files:
        if isinstance(kind_of(name), ImageKind):
            beside.update(files_of(Path(name)))  # a sidecar is no DICOM file
        elif name not in beside:
            return read_source_header(Path(name))
    return made_up_header(request.patient)


def _nifti_writer(parametric_map: ParametricMap, findings: tuple[str, ...]) -> _Writer:
    def write(place: Path, progress: Progress) -> None:
        write_nifti_map(place, file_stem(parametric_map), parametric_map, findings, progress)

    return write


def _record_writer(file: RecordFile) -> _Writer:
    def write(place: Path, progress: Progress) -> None:  # noqa: ARG001 - one call
        (place / file.name).write_bytes(file.content)

    return write


def _pet_writer(parametric_map: ParametricMap, header: SourceHeader, number: int) -> _Writer:
    def write(place: Path, progress: Progress) -> None:
        folder = place / f"{file_stem(parametric_map)}_dicom"
        folder.mkdir()
        write_pet_map(folder, parametric_map, header, number, progress)

    return write


def _pm_writer(parametric_map: ParametricMap, header: SourceHeader, number: int) -> _Writer:
    def write(place: Path, progress: Progress) -> None:  # noqa: ARG001 - one call
        path = place / f"{file_stem(parametric_map)}_pm.dcm"
        write_parametric_map(path, parametric_map, header, number)

    return write


def _input_writer(input_function: InputFunction, end_s: float, origin: CurveOrigin) -> _Writer:
    def write(place: Path, progress: Progress) -> None:  # noqa: ARG001 - one call
        path = place / INPUT_FUNCTION_NAME
        curve_writer.write_input_function(path, input_function, end_s, origin)

    return write
