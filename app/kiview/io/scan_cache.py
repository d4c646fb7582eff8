"""Remember what a large folder contains, so that it opens quickly the second time.

The record is named by a hash of all paths, sizes and times of the folder. Name and id of the
patient are not kept; they are read again from one file of each series. It begins with a CRC-32 of
all that follows: a changed header would change numbers unseen.
"""

import contextlib
import json
import os
import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from kiview.core.errors import ReadError
from kiview.core.study import FileEntry, Finding, Verdict
from kiview.io.dicom_headers import HeaderTable, read_header
from kiview.io.frame_store import cache_key
from kiview.io.private import FILE_MODE, make_private, make_private_folder
from kiview.io.scan import DicomSeriesFiles, StudyIndex

FORMAT_VERSION = 5
FEWEST_FILES = 1000
"""Smaller folders are read again as fast."""
_PERSONAL = ("PatientName", "PatientID")
_BEGIN = b'{"checksum": "%08x", '
_BEGIN_BYTES = len(_BEGIN % 0)


def index_key(entries: tuple[FileEntry, ...]) -> str:
    """Name of the record of a folder."""
    return cache_key((entry.path, entry.size, entry.modified_ns) for entry in entries)


def save_index(folder: Path, index: StudyIndex) -> None:
    """Keep an index; a disk that is full or read-only only costs time at the next opening.

    Args:
        folder: Cache folder.
        index: Of a folder with many files.
    """
    if len(index.entries) < FEWEST_FILES or any(
        not isinstance(files.headers.columns.get(name, ""), str)
        for files in index.dicom
        for name in _PERSONAL
    ):
        return
    record = {
        "format_version": FORMAT_VERSION,
        "dicom": [_series_record(files) for files in index.dicom],
        "nifti": [str(path) for path in index.nifti],
        "ecat": [str(path) for path in index.ecat],
        "unused": index.unused,
        "findings": [[one.code, one.message, one.suv, one.kinetics] for one in index.findings],
    }
    target = folder / f"{index_key(index.entries)}.index.json"
    part = target.with_suffix(f".part-{uuid.uuid4().hex[:8]}")
    try:
        make_private_folder(folder)
        part.touch(mode=FILE_MODE)
        part.write_bytes(with_checksum(json.dumps(record).encode("ascii")[1:]))
        os.replace(part, target)  # noqa: PTH105 - the same on all systems
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def load_index(folder: Path, root: Path, entries: tuple[FileEntry, ...]) -> StudyIndex | None:
    """The index of a folder that did not change since it was read, or None.

    Args:
        folder: Cache folder.
        root: The folder that is opened.
        entries: Its files.
    """
    if len(entries) < FEWEST_FILES:
        return None
    path = folder / f"{index_key(entries)}.index.json"
    try:
        content = path.read_bytes()
        if content != with_checksum(content[_BEGIN_BYTES:]):
            return None
        make_private(folder, path)
        record = json.loads(content)
        if record["format_version"] != FORMAT_VERSION:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the cache forgets what was not used for longest
        return StudyIndex(
            root,
            tuple(_series_of(part) for part in record["dicom"]),
            tuple(Path(name) for name in record["nifti"]),
            tuple((name, reason) for name, reason in record["unused"]),
            entries,
            tuple(Path(name) for name in record["ecat"]),
            tuple(
                Finding(str(code), str(message), Verdict(suv), Verdict(kinetics))
                for code, message, suv, kinetics in record["findings"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ReadError):
        return None


def with_checksum(body: bytes) -> bytes:
    """A record of which all but its opening bracket is given, with the checksum of that."""
    return _BEGIN % zlib.crc32(body) + body


def _series_record(files: DicomSeriesFiles) -> dict[str, Any]:
    headers = files.headers
    return {
        "uid": files.uid,
        "sop_class": files.sop_class,
        "paths": headers.paths,
        "columns": {
            name: column for name, column in headers.columns.items() if name not in _PERSONAL
        },
        "files": headers.files.tolist(),
    }


def _series_of(record: dict[str, Any]) -> DicomSeriesFiles:
    columns = dict(record["columns"])
    first = read_header(record["paths"][0])
    if first is None:
        raise ReadError("a file changed")
    columns.update({name: first.text(name) for name in _PERSONAL})
    files = np.array(record["files"], np.int64).reshape(-1, 4)
    table = HeaderTable(list(record["paths"]), columns, files)
    if len(files) != len(table) or any(
        len(column) != len(table) for column in columns.values() if isinstance(column, list)
    ):
        raise ReadError("the record is damaged")
    return DicomSeriesFiles(record["uid"], record["sop_class"], table)
