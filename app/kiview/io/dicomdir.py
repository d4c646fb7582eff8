"""DICOMDIR: the list of files of a disc, compared with the files that are there (PS3.3 F, PS3.10).

The files themselves are the truth: a folder is read whole, and its DICOMDIR only says what should
be there. So its file ids, which anybody may have written, are compared as words with the names
that were found; none of them ever becomes a path. pydicom's `FileSet` looks for each id on the
disk, also outside the folder, and writes the paths it misses into the log: it is not used.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pydicom
from pydicom.dataset import Dataset

from kiview.core.errors import ReadError
from kiview.core.study import Finding, Verdict
from kiview.io.dicom_headers import read_header
from kiview.io.limited_file import TooMuchReadError, open_limited
from kiview.io.sop_classes import DICOMDIR

NAME = "DICOMDIR"
_MOST_BYTES = 64 << 20
_META_BYTES = 1024
_STORAGE_CLASS = b"\x02\x00\x02\x00UI"
_FILE_ID, _TYPE, _IN_USE = 0x00041500, 0x00041430, 0x00041410
_INACTIVE = b"\x00\x00"
_VERSION = re.compile(r";\d+$")
_MOST_NAMED = 3
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that a DICOMDIR names.

    Attributes:
        parts: Folders and name, from the folder of the DICOMDIR.
        is_image: Whether it is listed as an image.
    """

    parts: tuple[str, ...]
    is_image: bool

    @property
    def is_inside(self) -> bool:
        """Whether the name stays in the folder of the DICOMDIR."""
        return bool(self.parts) and not any(
            part.strip() in ("", ".", "..") or "/" in part or ":" in part or "\0" in part
            for part in self.parts
        )

    @property
    def shown(self) -> str:
        """The name for people."""
        text = "/".join(self.parts)
        return "".join(c if c.isprintable() else "?" for c in text)[:_LONGEST_NAME]


def is_dicomdir(path: str | Path) -> bool:
    """Whether a file is a DICOMDIR, by its name or by what it says it is."""
    if Path(path).name.upper() == NAME:
        return True
    try:
        with Path(path).open("rb") as file:
            head = file.read(_META_BYTES)
    except OSError:
        return False
    at = head.find(_STORAGE_CLASS, 132)
    if head[128:132] != b"DICM" or at < 0:
        return False
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + length].rstrip(b"\0 ") == DICOMDIR.encode()


def listed_files(path: str | Path) -> tuple[ListedFile, ...]:
    """The files that a DICOMDIR names, in its order.

    Raises:
        ReadError: it cannot be read as one.
    """
    read_header(path)  # pydicom would read a list that is cut off as a shorter one
    try:
        with open_limited(path, _MOST_BYTES) as file:
            dataset = pydicom.dcmread(file, force=True)
            records = list(dataset.DirectoryRecordSequence or [])
            found = [_listed(record) for record in records]
    except (OSError, TooMuchReadError) as error:
        raise ReadError("cannot be read") from error
    except Exception as error:  # a damaged object fails in many ways
        raise ReadError("is damaged") from error
    return tuple(one for one in found if one is not None)


def _listed(record: Dataset) -> ListedFile | None:
    """The file of one record; None where it names none or is no longer in use."""
    if _bytes(record, _IN_USE) == _INACTIVE:
        return None
    text = _bytes(record, _FILE_ID).decode("latin-1")
    parts = [part.strip("\0 ") for part in text.split("\\")]
    while parts and not parts[-1]:
        parts.pop()
    if not parts:
        return None
    return ListedFile(tuple(parts), _bytes(record, _TYPE).strip(b"\0 ") == b"IMAGE")


def _bytes(record: Dataset, tag: int) -> bytes:
    """A value as it stands in the file, without pydicom's warnings about odd ones."""
    if tag not in record:
        return b""
    value = record.get_item(tag).value
    return value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")


def compare(
    listed: Iterable[ListedFile], folder: str, there: Iterable[str], images: Iterable[str]
) -> tuple[Finding, ...]:
    """What a DICOMDIR names and is not there, and what is there and not named.

    Upper and lower case, a dot at the end and a version (`;1`), which some systems add to names
    of a disc, do not matter.

    Args:
        listed: Files that the DICOMDIR names.
        folder: Folder of the DICOMDIR, with `/`; empty for the top.
        there: Names of all files below the top folder, with `/`.
        images: Those of them that are DICOM images.
    """
    known = {_plain(name) for name in _below(folder, there)}
    named = list(listed)
    inside = [one for one in named if one.is_inside]
    missing = [one for one in inside if _plain("/".join(one.parts)) not in known]
    ids = {_plain("/".join(one.parts)) for one in inside}
    extra = sum(_plain(name) not in ids for name in _below(folder, images))
    findings = []
    if missing:
        findings.append(_missing(missing))
    if len(inside) < len(named):
        message = (
            f"The DICOMDIR names {len(named) - len(inside)} file(s) outside its folder; they were"
            " not looked at."
        )
        findings.append(Finding("dicomdir-names-outside", message))
    if extra and named:
        message = f"{extra} image(s) are not named by the DICOMDIR; they were read too."
        findings.append(Finding("dicomdir-incomplete", message))
    return tuple(findings)


def damaged(error: ReadError) -> Finding:
    """What is told of a DICOMDIR that cannot be read."""
    message = f"The DICOMDIR {error}; all files of its folder were looked at instead."
    return Finding("dicomdir-damaged", message)


def _missing(missing: list[ListedFile]) -> Finding:
    names = ", ".join(one.shown for one in missing[:_MOST_NAMED])
    more = ", and more" if len(missing) > _MOST_NAMED else ""
    message = (
        f"The DICOMDIR names {len(missing)} file(s) that are not there ({names}{more}); copy the"
        " whole disc again."
    )
    kinetics = Verdict.CONFIRM if any(one.is_image for one in missing) else Verdict.READY
    return Finding("dicomdir-files-missing", message, kinetics=kinetics)


def _below(folder: str, names: Iterable[str]) -> Iterable[str]:
    start = f"{folder}/" if folder else ""
    return (name[len(start) :] for name in names if name.startswith(start))


def _plain(name: str) -> str:
    """A name without what systems change on a disc."""
    parts = PurePosixPath(name).parts
    return "/".join(_VERSION.sub("", part.strip()).rstrip(".").casefold() for part in parts)
