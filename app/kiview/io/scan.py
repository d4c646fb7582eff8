"""What a folder contains: every file looked at once, headers only."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.progress import NullProgress, Progress
from kiview.core.study import FileEntry, Finding
from kiview.io import dicomdir
from kiview.io.dicom_headers import Header, HeaderTable, read_header
from kiview.io.dicom_tags import MULTI_FRAME
from kiview.io.dicom_templates import TemplateReader
from kiview.io.folder_listing import list_files, look_at, regular_file
from kiview.io.image_kinds import (
    NEITHER,
    ImageKind,
    files_of,
    header_of,
    is_mac_leftover,
    is_nifti,
    kind_of,
    sidecar_path,
    voxels_of,
)
from kiview.io.sop_classes import IS_DICOMDIR, PET_CLASSES, why_not_used

_STEP = 200
OTHER_PATIENT = "belongs to another patient than the one shown; open its folder on its own"
"""Why a file of a second patient in the folder is not used."""


@dataclass(frozen=True, slots=True, eq=False)
class DicomSeriesFiles:
    """Files with one series UID and one kind of image.

    Attributes:
        uid: Series instance UID.
        sop_class: What kind of image.
        headers: Their headers in columns.
        findings: What was noticed before they are read.
    """

    uid: str
    sop_class: str
    headers: HeaderTable
    findings: tuple[Finding, ...] = ()

    @property
    def study_uid(self) -> str:
        """Study instance UID."""
        return self.headers.text("StudyInstanceUID")


@dataclass(frozen=True, slots=True, eq=False)
class StudyIndex:
    """What a folder contains, headers only.

    Attributes:
        root: The folder or file that was opened.
        dicom: Readable DICOM series of one patient.
        nifti: NIfTI files, and the headers of Analyze pairs.
        ecat: ECAT 7 volumes.
        unused: (path, reason) of all other files.
        entries: Every regular file, for cache keys.
        findings: What was noticed about the folder.
    """

    root: Path
    dicom: tuple[DicomSeriesFiles, ...] = ()
    nifti: tuple[Path, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()
    entries: tuple[FileEntry, ...] = field(default=(), repr=False)
    ecat: tuple[Path, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing readable was found."""
        return not (self.dicom or self.nifti or self.ecat)


def scan(path: Path, progress: Progress | None = None) -> StudyIndex:
    """Look through a folder tree, or take one file with what belongs to it.

    A DICOM file stands for its whole series: the other files of its folder are read too. A DICOMDIR
    stands for its folder.

    Args:
        path: Folder, DICOMDIR, DICOM, NIfTI or ECAT file, either file of an Analyze pair.
        progress: Told now and then; may raise `Cancelled`.

    Raises:
        ReadError: the path does not exist or is neither a folder nor a readable file.
    """
    progress = progress or NullProgress()
    if not path.exists():
        raise ReadError(f"{path} does not exist; check the path.")
    folder = folder_to_scan(path)
    if folder is not None:
        entries, unused = list_files(folder, progress)
        return scan_files(path, entries, unused, progress)
    entry = regular_file(path)
    if entry is None:
        raise ReadError(f"{path} is no folder and no ordinary file.")
    if is_nifti(path):
        return StudyIndex(path, nifti=(path,), entries=_with_its_files(path))
    return _scan_one_file(entry, progress)


def folder_to_scan(path: Path) -> Path | None:
    """The folder that a path stands for: itself, or that of a DICOMDIR; None for other files."""
    if path.is_dir():
        return path
    return path.parent if path.is_file() and dicomdir.is_dicomdir(path) else None


def _scan_one_file(entry: FileEntry, progress: Progress) -> StudyIndex:
    try:
        header = read_header(entry.path)
    except ReadError as error:
        raise ReadError(f"{entry.path} {error}.") from error
    return _one_image(entry) if header is None else _one_series(entry, header, progress)


def _one_image(entry: FileEntry) -> StudyIndex:
    """A file that is one image and no DICOM."""
    path = Path(entry.path)
    kind = kind_of(path)
    if kind is ImageKind.ECAT:
        return StudyIndex(path, ecat=(path,), entries=(entry,))
    header = path if kind is ImageKind.ANALYZE else None
    if path.suffix.lower() == ".img":
        header = header_of(path)
    if header is not None:
        return StudyIndex(path, nifti=(header,), entries=_with_its_files(header))
    why = "" if kind == NEITHER else f" ({kind})"
    raise ReadError(f"{path} is no DICOM, NIfTI, Analyze or ECAT image{why}.")


def _with_its_files(header: Path) -> tuple[FileEntry, ...]:
    """An image that is no DICOM, with the voxels and the sidecar beside it."""
    entries = (regular_file(Path(path)) for path in files_of(header))
    return tuple(entry for entry in entries if entry is not None)


def _one_series(entry: FileEntry, header: Header, progress: Progress) -> StudyIndex:
    """A DICOM file with the others of its series."""
    with os.scandir(Path(entry.path).parent) as listing:
        found = [look_at(item, set()) for item in sorted(listing, key=lambda item: item.name)]
    siblings = tuple(
        item for item in found if isinstance(item, FileEntry) and not is_nifti(item.path)
    )
    whole = scan_files(Path(entry.path), siblings, (), progress)
    uid = header.text("SeriesInstanceUID")
    series = tuple(one for one in whole.dicom if one.uid == uid)
    if not series:
        reasons = dict(whole.unused)
        reason = reasons.get(entry.path, "holds no image that KiView reads")
        raise ReadError(f"{entry.path} cannot be opened: {reason}.")
    used = {path for one in series for path in one.headers.paths}
    return StudyIndex(
        Path(entry.path), series, entries=tuple(entry for entry in siblings if entry.path in used)
    )


def scan_files(
    root: Path,
    entries: tuple[FileEntry, ...],
    left_out: tuple[tuple[str, str], ...],
    progress: Progress,
    names: Mapping[str, str] | None = None,
) -> StudyIndex:
    """Read the headers of files and sort them into series.

    Every entry ends in exactly one place: in a series, beside an image, or among the unused.

    Args:
        root: What was opened.
        entries: The files.
        left_out: (path, reason) of what could not be looked at.
        progress: Told now and then.
        names: Path -> name, where files were called otherwise before they were unpacked.
    """
    found = _Found(list(left_out))
    images = {
        entry.path for entry in entries if is_nifti(entry.path) and not is_mac_leftover(entry.path)
    }
    reader = TemplateReader()
    for number, entry in enumerate(entries):
        if number % _STEP == 0:
            progress.step(number / len(entries), f"Reading headers, {number} of {len(entries)}")
        if entry.path in images:
            found.nifti.append(Path(entry.path))
        else:
            found.add(entry, _readable_header(entry, reader))
    progress.step(1.0, f"Read {len(entries)} headers")
    dicom = [
        DicomSeriesFiles(uid, sop_class, HeaderTable.from_headers(list(members)))
        for (uid, sop_class), members in found.headers.items()
    ]
    kept, others = _one_patient(dicom)
    beside = {str(sidecar_path(path)) for path in found.nifti}
    beside |= {str(voxels_of(path)) for path in found.nifti if str(path) not in images}
    unused = [item for item in found.unused if item[0] not in beside]
    places = [path for path, reason in unused if reason == IS_DICOMDIR]
    used = [path for one in kept for path in one.headers.paths]
    there = [*(entry.path for entry in entries), *(path for path, _ in left_out)]
    return StudyIndex(
        root,
        tuple(kept),
        tuple(found.nifti),
        (*unused, *others),
        entries,
        tuple(found.ecat),
        _dicomdir_findings(places, there, used, names or {}),
    )


@dataclass(slots=True)
class _Found:
    """Files sorted by what they are."""

    unused: list[tuple[str, str]]
    nifti: list[Path] = field(default_factory=list)
    ecat: list[Path] = field(default_factory=list)
    headers: dict[tuple[str, str], list[Header]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: FileEntry, what: Header | ImageKind | str) -> None:
        """Put one file in its place."""
        if isinstance(what, Header):
            key = what.text("SeriesInstanceUID"), what.text("SOPClassUID")
            self.headers[key].append(what)
        elif what is ImageKind.ECAT:
            self.ecat.append(Path(entry.path))
        elif isinstance(what, ImageKind):
            self.nifti.append(Path(entry.path))
        else:
            self.unused.append((entry.path, what))


def _dicomdir_findings(
    places: Iterable[str], there: Iterable[str], used: Iterable[str], names: Mapping[str, str]
) -> tuple[Finding, ...]:
    """What each DICOMDIR of the folder says that does not fit."""

    def name_of(path: str) -> str:
        return names.get(path) or Path(path).as_posix()

    found: list[Finding] = []
    for place in places:
        folder = PurePosixPath(name_of(place)).parent.as_posix()
        try:
            listed = dicomdir.listed_files(place)
        except ReadError as error:
            found.append(dicomdir.damaged(error))
            continue
        found += dicomdir.compare(
            listed, "" if folder == "." else folder, map(name_of, there), map(name_of, used)
        )
    return tuple({one.code: one for one in reversed(found)}.values())[::-1]


def _readable_header(entry: FileEntry, reader: TemplateReader) -> Header | ImageKind | str:
    """Header of a file that becomes part of a series, another image, or why it is neither."""
    if entry.size == 0:
        return "empty file"
    try:
        header = read_header(entry.path, reader)
    except ReadError as error:
        return IS_DICOMDIR if dicomdir.is_dicomdir(entry.path) else str(error)
    if header is not None and header.text("SOPClassUID"):
        why = why_not_used(header.text("SOPClassUID"), header.text("ImageType"))
        return why or header
    if dicomdir.is_dicomdir(entry.path):
        return IS_DICOMDIR
    return kind_of(entry.path) if header is None else why_not_used("", "")


def _one_patient(
    series: list[DicomSeriesFiles],
) -> tuple[list[DicomSeriesFiles], list[tuple[str, str]]]:
    """Keep the patient with most PET images; two patients are never shown as one."""
    groups: list[tuple[set[str], list[DicomSeriesFiles]]] = []
    for one in series:
        keys = {f"study {one.study_uid}"} | {
            f"patient {name}" for name in one.headers.distinct("PatientID") if name
        }
        joined = [group for group in groups if group[0] & keys]
        members = [member for group in joined for member in group[1]]
        groups = [group for group in groups if not group[0] & keys]
        groups.append((keys.union(*(group[0] for group in joined)), [*members, one]))
    if len(groups) <= 1:
        return series, []
    kept = max(groups, key=_pet_count)
    others = [
        (path, OTHER_PATIENT)
        for group in groups
        if group is not kept
        for one in group[1]
        for path in one.headers.paths
    ]
    return kept[1], others


def _pet_count(group: tuple[set[str], list[DicomSeriesFiles]]) -> tuple[int, int]:
    pet = sum(image_count(one) for one in group[1] if one.sop_class in PET_CLASSES)
    return pet, sum(image_count(one) for one in group[1])


def image_count(files: DicomSeriesFiles) -> int:
    """Slices of a series: its files, or the frames in them."""
    if files.sop_class not in MULTI_FRAME:
        return len(files.headers)
    try:
        return int(np.nan_to_num(files.headers.numbers("NumberOfFrames")).sum())
    except InvalidInputError:
        return len(files.headers)
