"""Open a study: look through the files, read every series, and say what is known."""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from kiview import paths
from kiview.core.errors import InvalidInputError, MissingInformationError, ReadError
from kiview.core.progress import NullProgress, Progress
from kiview.core.study import FileEntry, Finding, PatientInfo, Series, SeriesKind, Study, Verdict
from kiview.io.cache_limit import prune
from kiview.io.dicom_apart import not_one, tell_apart
from kiview.io.dicom_joined import join, joined
from kiview.io.dicom_pet import ReadSeries, read_pet
from kiview.io.dicom_volume import is_rate_map, read_parametric_maps, read_volume
from kiview.io.ecat import ecat_uid, read_ecat
from kiview.io.folder_listing import list_files
from kiview.io.frame_store import MEMORY_LIMIT_BYTES, VoxelCache
from kiview.io.nifti import nifti_uid, read_nifti
from kiview.io.overrides import SERIES as FRAME_SERIES
from kiview.io.overrides import OverrideValue, UserGiven, parse_overrides
from kiview.io.scan import (
    OTHER_PATIENT,
    DicomSeriesFiles,
    StudyIndex,
    folder_to_scan,
    image_count,
    scan,
    scan_files,
)
from kiview.io.scan_cache import index_key, load_index, save_index
from kiview.io.sop_classes import PARAMETRIC_MAP, PET_CLASSES
from kiview.io.zip_content import is_zip
from kiview.io.zip_store import Unpacked, unpack
from kiview.jobs.archive_words import InWordsOf, errors_in_words_of, in_words_of
from kiview.jobs.region_objects import find_region_objects

_UNPACK_SHARE = 0.5
_SCAN_SHARE = 0.3
_MOST_REASONS = 3
_ORDER = (
    SeriesKind.DYNAMIC,
    SeriesKind.STATIC,
    SeriesKind.MAP,
    SeriesKind.CT,
    SeriesKind.MR,
    SeriesKind.OTHER,
)


LookUp = Callable[[str, tuple[FileEntry, ...]], Mapping[str, OverrideValue]]
"""Study UID and files that were found -> values in place of the request's."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What to open.

    Attributes:
        path: Folder, or a file: zip archive, DICOMDIR, DICOM, NIfTI, ECAT 7, either one of an
            Analyze pair.
        overrides: Values entered by the user, by the names of `--set`.
        cache_folder: Where voxels of large series are kept; None takes the user's cache.
        memory_limit_bytes: Larger series stay on disk.
        cache_limit_bytes: The cache is brought below this afterwards; None lets it grow.
        study_uid: Study that must be there; empty opens whatever is there.
    """

    path: Path
    overrides: Mapping[str, OverrideValue] = field(default_factory=dict)
    cache_folder: Path | None = None
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES
    cache_limit_bytes: int | None = None
    study_uid: str = ""


def open_study(
    request: OpenRequest, progress: Progress | None = None, look_up: LookUp | None = None
) -> Study:
    """Read a study.

    Args:
        request: What to open.
        progress: Told at each step; may raise `Cancelled`.
        look_up: Asked once it is known which study this is; None takes the request's values.

    Returns:
        The study; a series that cannot be used has a finding that says why.

    Raises:
        ReadError: nothing there can be opened, or another study is there than was asked for.
        MissingInformationError: nothing can be opened before the user enters something.
        InvalidInputError: an entered value cannot be.
    """
    progress = progress or NullProgress()
    given = parse_overrides(request.overrides)
    if not is_zip(request.path):
        index = _index(request.path, None, _cache_folder(request), _scanning(progress))
        _refuse_another_study(request, index)
        given = given if look_up is None else _looked_up(look_up, index, index.entries)
        return _fingerprinted(_read_study(request, given, index, progress))
    part = progress.child(0.0, _UNPACK_SHARE)
    unpacked = unpack(request.path, _cache_folder(request), part)
    with errors_in_words_of(unpacked):
        part = InWordsOf(unpacked, progress.child(_UNPACK_SHARE, 1.0))
        index = _index(request.path, unpacked, _cache_folder(request), _scanning(part))
        _refuse_another_study(request, index)
        if index.is_empty:
            unpacked.discard()
        given = given if look_up is None else _looked_up(look_up, index, (unpacked.archive,))
        study = _read_study(request, given, index, part)
    return _fingerprinted(in_words_of(unpacked, study))


def _fingerprinted(study: Study) -> Study:
    return replace(study, fingerprint=index_key(study.files))


def _cache_folder(request: OpenRequest) -> Path:
    return request.cache_folder or paths.voxel_cache_dir()


def _scanning(progress: Progress) -> Progress:
    return progress.child(0.0, _SCAN_SHARE)


def _refuse_another_study(request: OpenRequest, index: StudyIndex) -> None:
    """A list entry is never taken for what came into its place: that may be another patient."""
    if request.study_uid and not index.is_empty and request.study_uid not in _study_uids(index):
        raise ReadError(
            f"{request.path} holds another study than before, so it was not opened; to see what is"
            " there now, open this path itself."
        )


def _looked_up(look_up: LookUp, index: StudyIndex, files: tuple[FileEntry, ...]) -> UserGiven:
    return parse_overrides({} if index.is_empty else look_up(_study_uid(index), files))


def _read_study(
    request: OpenRequest, given: UserGiven, index: StudyIndex, progress: Progress
) -> Study:
    folder = _cache_folder(request)
    if index.is_empty:
        raise ReadError(_nothing_found(index))
    cache = VoxelCache(folder, request.memory_limit_bytes)
    read = list(_read_all(index, given, cache, progress))
    series = sorted((one.series for one in read), key=_place_in_list)
    _refuse_unknown_series(given, series)
    _refuse_if_nothing_shows(series, request.path)
    regions, left = find_region_objects(index)
    unused = [*left, *(item for one in read for item in one.unused)]
    series[0] = _told_of_folder(series[0], unused, index.findings)
    if request.cache_limit_bytes is not None:
        prune(folder, request.cache_limit_bytes)
    progress.step(1.0, "Study opened")
    return Study(
        uid=_study_uid(index),
        patient=_patient(read),
        series=tuple(series),
        unused_files=tuple(unused),
        source=str(request.path),
        date=_study_date(index),
        files=index.entries,
        region_objects=regions,
    )


def _refuse_unknown_series(given: UserGiven, series: list[Series]) -> None:
    """Frame times entered for a series that is not there would be dropped without a word."""
    uid = given.word(FRAME_SERIES)
    if uid and not any(one.uid == uid for one in series):
        raise InvalidInputError(
            f"The entered frame times are for series {uid}, which is not in this study; leave out"
            f" {FRAME_SERIES} or name one of this study."
        )


def _told_of_folder(
    first: Series, unused: list[tuple[str, str]], findings: tuple[Finding, ...]
) -> Series:
    """The series shown first, with what was noticed about the folder."""
    count = sum(reason == OTHER_PATIENT for _, reason in unused)
    if count:
        message = (
            f"{count} files of another patient in this folder were left out; confirm that this is"
            " the patient you want, or open the other's folder on its own."
        )
        other = Finding("other-patient", message, Verdict.CONFIRM, Verdict.CONFIRM)
        findings = (*findings, other)
    return replace(first, findings=(*first.findings, *findings)) if findings else first


def _index(
    path: Path, unpacked: Unpacked | None, cache_folder: Path, progress: Progress
) -> StudyIndex:
    """What is there: remembered where nothing changed, else read."""
    if unpacked is not None:
        entries, unused = list_files(unpacked.folder, progress)
        unused += tuple((unpacked.in_archive(name), why) for name, why in unpacked.unused)
    else:
        folder = folder_to_scan(path)
        if folder is None:
            return scan(path, progress)
        entries, unused = list_files(folder, progress)
    known = load_index(cache_folder, path, entries)
    if known is not None:
        return known
    names = None if unpacked is None else unpacked.names
    index = scan_files(path, entries, unused, progress, names)
    save_index(cache_folder, index)
    return index


def _read_all(
    index: StudyIndex, given: UserGiven, cache: VoxelCache, progress: Progress
) -> Iterable[ReadSeries]:
    read = [(read_nifti, path, nifti_uid(path)) for path in index.nifti]
    read += [(read_ecat, path, ecat_uid(path)) for path in index.ecat]
    dicom = tell_apart(joined(index.dicom, given), given)
    width = (1.0 - _SCAN_SHARE) / (len(dicom) + len(read))
    found: dict[int, list[ReadSeries]] = {}
    for number, place in enumerate(_most_slices_first(dicom)):
        begin = _SCAN_SHARE + number * width
        part = progress.child(begin, begin + width)
        found[place] = _read_group(dicom[place], given, cache, part)
    for place in range(len(dicom)):
        yield from found[place]
    for number, (read_one, path, uid) in enumerate(read, start=len(dicom)):
        begin = _SCAN_SHARE + number * width
        part = progress.child(begin, begin + width)
        yield read_one(path, given.for_series(uid), cache, part)


def _read_group(
    members: list[DicomSeriesFiles], given: UserGiven, cache: VoxelCache, progress: Progress
) -> list[ReadSeries]:
    """One series, or several of one scan; each on its own where they cannot be read as one."""
    files = join(members, given)
    as_one = _read_dicom(files, given.for_series(files.uid), cache, progress)
    if len(members) == 1 or as_one[0].series.image is not None:
        return as_one
    return [
        one
        for alone in not_one(members, as_one[0].series.findings[-1].message)
        for one in _read_dicom(alone, given.for_series(alone.uid), cache, progress)
    ]


def _most_slices_first(scans: list[list[DicomSeriesFiles]]) -> list[int]:
    """Places of the scans in the order to read them: PET that is looked at is there first."""
    sizes = [
        (members[0].sop_class in PET_CLASSES, sum(image_count(files) for files in members))
        for members in scans
    ]
    return sorted(range(len(scans)), key=sizes.__getitem__, reverse=True)


def _read_dicom(
    files: DicomSeriesFiles, given: UserGiven, cache: VoxelCache, progress: Progress
) -> list[ReadSeries]:
    if files.sop_class == PARAMETRIC_MAP:
        return read_parametric_maps(files)
    if files.sop_class in PET_CLASSES and not is_rate_map(files.headers):
        return [read_pet(files, given, cache, progress)]
    return [read_volume(files, cache, progress)]


def _place_in_list(series: Series) -> tuple[bool, int, int]:
    count = 0 if series.image is None else series.image.frame_count
    return series.image is None, _ORDER.index(series.kind), -count


def _refuse_if_nothing_shows(series: list[Series], path: Path) -> None:
    if any(one.image is not None for one in series):
        return
    reasons = [one.findings[0].message for one in series[:_MOST_REASONS] if one.findings]
    text = f"No image of {path} can be shown. {' '.join(reasons)}"
    asked = dict.fromkeys(name for one in series for told in one.findings for name in told.fields)
    if asked:
        raise MissingInformationError(text, tuple(asked))
    raise ReadError(text)


def _nothing_found(index: StudyIndex) -> str:
    count = len(index.unused)
    if count == 0:
        return f"{index.root} is empty; choose the folder that holds the study."
    reasons = list(dict.fromkeys(reason for _, reason in index.unused))[:_MOST_REASONS]
    return (
        f"{index.root} holds no image that KiView reads; {count} file(s) were looked at"
        f" ({'; '.join(reasons)})."
    )


def _study_uid(index: StudyIndex) -> str:
    for files in index.dicom:
        if files.study_uid:
            return files.study_uid
    return _made_up_uid(index)


def _study_uids(index: StudyIndex) -> set[str]:
    """Every study that is there; files that name none are one of their own."""
    uids = {files.study_uid or _made_up_uid(index) for files in index.dicom}
    return uids | ({_made_up_uid(index)} if index.nifti or index.ecat else set())


def _made_up_uid(index: StudyIndex) -> str:
    return "kiview-" + hashlib.sha256(str(index.root.resolve()).encode()).hexdigest()[:24]


def _study_date(index: StudyIndex) -> str:
    """StudyDate (PS3.5 DA, `YYYYMMDD`) of the first series that has a real one."""
    for files in index.dicom:
        for text in files.headers.distinct("StudyDate"):
            with contextlib.suppress(ValueError):
                return datetime.strptime(text.strip(), "%Y%m%d").date().isoformat()  # noqa: DTZ007 - a day
    return ""


def _patient(read: list[ReadSeries]) -> PatientInfo:
    """The patient of the PET series, who tells weight and height; else of any series."""
    pet = [one for one in read if one.series.kind in (SeriesKind.DYNAMIC, SeriesKind.STATIC)]
    for one in (*pet, *read):
        if one.patient != PatientInfo():
            return one.patient
    return PatientInfo()
