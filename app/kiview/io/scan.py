"""What a folder contains: every file looked at once, headers only."""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.progress import NullProgress, Progress
from kiview.core.study import FileEntry
from kiview.io.dicom_headers import Header, HeaderTable, read_header
from kiview.io.dicom_tags import MULTI_FRAME_PET
from kiview.io.dicom_templates import TemplateReader
from kiview.io.image_kinds import (
    NEITHER,
    NIFTI_ENDINGS,
    ImageKind,
    header_of,
    is_nifti,
    kind_of,
    voxels_of,
)

PET = "1.2.840.10008.5.1.4.1.1.128"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
READABLE = frozenset((PET, CT, MR, PARAMETRIC_MAP)) | MULTI_FRAME_PET
"""SOP classes that become series."""
PET_CLASSES = MULTI_FRAME_PET | {PET}

_OTHER_CLASSES = {
    "1.2.840.10008.1.3.10": "DICOMDIR, not needed",
    "1.2.840.10008.5.1.4.1.1.481.3": "RT structure set, no image",
    "1.2.840.10008.5.1.4.1.1.481.2": "RT dose, not shown",
    "1.2.840.10008.5.1.4.1.1.481.5": "RT plan, no image",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation, not read",
    "1.2.840.10008.5.1.4.1.1.66": "raw data, no image",
    "1.2.840.10008.5.1.4.1.1.7": "screen picture, no measured image",
    "1.2.840.10008.5.1.4.1.1.20": "nuclear medicine (SPECT) image, not read",
    "1.2.840.10008.5.1.4.1.1.2.1": "enhanced CT image, not read",
    "1.2.840.10008.5.1.4.1.1.4.1": "enhanced MR image, not read",
}
_UID = re.compile(r"[0-9.]{1,64}")
MOST_FILES = 2_000_000
"""More files than this are no study but a disk."""
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
    """

    uid: str
    sop_class: str
    headers: HeaderTable

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
    """

    root: Path
    dicom: tuple[DicomSeriesFiles, ...] = ()
    nifti: tuple[Path, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()
    entries: tuple[FileEntry, ...] = field(default=(), repr=False)
    ecat: tuple[Path, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing readable was found."""
        return not (self.dicom or self.nifti or self.ecat)


def list_files(
    root: Path, progress: Progress
) -> tuple[tuple[FileEntry, ...], tuple[tuple[str, str], ...]]:
    """Every regular file of a folder tree once, and (path, reason) of what cannot be looked at.

    Links are followed, loops are not.

    Raises:
        ReadError: there are more files than a study can have.
    """
    entries, unused = [], []
    for item in _walk(root, progress):
        if isinstance(item, FileEntry):
            entries.append(item)
        else:
            unused.append(item)
    return tuple(entries), tuple(unused)


def scan(path: Path, progress: Progress | None = None) -> StudyIndex:
    """Look through a folder tree, or take one file with what belongs to it.

    A DICOM file stands for its whole series: the other files of its folder are read too.

    Args:
        path: Folder, DICOM, NIfTI or ECAT file, either file of an Analyze pair.
        progress: Told now and then; may raise `Cancelled`.

    Raises:
        ReadError: the path does not exist or is neither a folder nor a readable file.
    """
    progress = progress or NullProgress()
    if not path.exists():
        raise ReadError(f"{path} does not exist; check the path.")
    if path.is_dir():
        entries, unused = list_files(path, progress)
        return scan_files(path, entries, unused, progress)
    entry = _regular_file(path)
    if entry is None:
        raise ReadError(f"{path} is no folder and no ordinary file.")
    if is_nifti(path):
        return StudyIndex(path, nifti=(path,), entries=(entry,))
    return _scan_one_file(entry, progress)


def _walk(root: Path, progress: Progress) -> Iterator[FileEntry | tuple[str, str]]:
    """Every regular file once, in order of names; links are followed, loops are not."""
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    count = 0
    while waiting:
        folder = waiting.pop()
        try:
            identity = folder.stat()
            with os.scandir(folder) as listing:
                names = sorted(listing, key=lambda item: item.name)
        except OSError as error:
            yield str(folder), f"folder cannot be read ({error.strerror or 'unknown reason'})"
            continue
        if (identity.st_dev, identity.st_ino) in seen and identity.st_ino:
            yield str(folder), "a link to a folder that was already read"
            continue
        seen.add((identity.st_dev, identity.st_ino))
        below: list[Path] = []
        for item in names:
            count += 1
            if count % 5000 == 0:
                progress.step(None, f"Looking through folders, {count} files")
            if count > MOST_FILES:
                raise ReadError(f"{root} holds more than {MOST_FILES} files; open one study.")
            found = _look_at(item, seen)
            if isinstance(found, Path):
                below.append(found)
            elif found is not None:
                yield found
        waiting.extend(reversed(below))


def _look_at(
    item: "os.DirEntry[str]", seen: set[tuple[int, int]]
) -> FileEntry | Path | tuple[str, str] | None:
    try:
        status = item.stat()
    except OSError as error:
        return item.path, f"cannot be read ({error.strerror or 'unknown reason'})"
    if stat.S_ISDIR(status.st_mode):
        return Path(item.path)
    if not stat.S_ISREG(status.st_mode):
        return item.path, "no ordinary file"
    if item.is_symlink() or status.st_nlink > 1:
        identity = (status.st_dev, status.st_ino)
        if identity in seen and status.st_ino:
            return item.path, "a link to a file that was already read"
        seen.add(identity)
    return FileEntry(item.path, status.st_size, status.st_mtime_ns)


def _regular_file(path: Path) -> FileEntry | None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileEntry(str(path), status.st_size, status.st_mtime_ns)


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
        return StudyIndex(path, nifti=(header,), entries=(entry,))
    why = "" if kind == NEITHER else f" ({kind})"
    raise ReadError(f"{path} is no DICOM, NIfTI, Analyze or ECAT image{why}.")


def _one_series(entry: FileEntry, header: Header, progress: Progress) -> StudyIndex:
    """A DICOM file with the others of its series."""
    with os.scandir(Path(entry.path).parent) as listing:
        found = [_look_at(item, set()) for item in sorted(listing, key=lambda item: item.name)]
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
) -> StudyIndex:
    """Read the headers of files and sort them into series.

    Args:
        root: What was opened.
        entries: The files.
        left_out: (path, reason) of what could not be looked at.
        progress: Told now and then.
    """
    unused, found = list(left_out), list[tuple[ImageKind, Path]]()
    headers: dict[tuple[str, str], list[Header]] = defaultdict(list)
    images = {entry.path for entry in entries if is_nifti(entry.path)}
    reader = TemplateReader()
    for number, entry in enumerate(entries):
        if number % _STEP == 0:
            progress.step(number / len(entries), f"Reading headers, {number} of {len(entries)}")
        if entry.path in images:
            found.append((ImageKind.NIFTI, Path(entry.path)))
            continue
        header = _readable_header(entry, reader)
        if isinstance(header, ImageKind):
            found.append((header, Path(entry.path)))
            continue
        if isinstance(header, str):
            if not _is_sidecar(entry.path, images):
                unused.append((entry.path, header))
            continue
        key = header.text("SeriesInstanceUID"), header.text("SOPClassUID")
        headers[key].append(header)
    progress.step(1.0, f"Read {len(entries)} headers")
    series = [
        DicomSeriesFiles(uid, sop_class, HeaderTable.from_headers(list(members)))
        for (uid, sop_class), members in headers.items()
    ]
    kept, others = _one_patient(series)
    ecat = tuple(path for kind, path in found if kind is ImageKind.ECAT)
    nifti = tuple(path for kind, path in found if kind is not ImageKind.ECAT)
    pairs = [path for kind, path in found if kind is ImageKind.ANALYZE]
    used = {str(voxels_of(path)) for path in pairs} | {str(p.with_suffix(".json")) for p in pairs}
    unused = [item for item in unused if item[0] not in used]
    return StudyIndex(root, tuple(kept), nifti, (*unused, *others), entries, ecat)


def _is_sidecar(path: str, images: set[str]) -> bool:
    if not path.lower().endswith(".json"):
        return False
    return any(path[:-5] + ending in images for ending in NIFTI_ENDINGS)


def _readable_header(entry: FileEntry, reader: TemplateReader) -> Header | ImageKind | str:
    """Header of a file that becomes part of a series, another image, or why it is neither."""
    if entry.size == 0:
        return "empty file"
    try:
        header = read_header(entry.path, reader)
    except ReadError as error:
        return str(error)
    if header is None:
        return kind_of(entry.path)
    sop_class = header.text("SOPClassUID")
    if sop_class in READABLE:
        return header
    if not sop_class:
        return "DICOM without a SOP class, damaged or no image"
    unknown = f"of a kind that is not read ({sop_class})"
    if not _UID.fullmatch(sop_class):
        unknown = "with a SOP class that is no UID, damaged"
    return _OTHER_CLASSES.get(sop_class, f"DICOM {unknown}")


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
    pet = sum(_image_count(one) for one in group[1] if one.sop_class in PET_CLASSES)
    return pet, sum(_image_count(one) for one in group[1])


def _image_count(files: DicomSeriesFiles) -> int:
    """Slices of a series: its files, or the frames in them."""
    if files.sop_class not in MULTI_FRAME_PET:
        return len(files.headers)
    try:
        return int(np.nan_to_num(files.headers.numbers("NumberOfFrames")).sum())
    except InvalidInputError:
        return len(files.headers)
