"""What a zip archive holds, judged before anything is unpacked.

Whatever the archive says is untrusted: members never get the names they have in it, and sizes,
counts and places that no study has are refused in one sentence.
"""

import hashlib
import re
import stat
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, ZipInfo

from kiview.core.errors import ReadError, UnsupportedDataError

ENDING = ".zip"
MOST_MEMBERS = 200_000
"""A whole-body study of 69 frames has 45,000 files."""
MOST_BYTES = 100 * 10**9
"""Unpacked; a whole-body study takes 17 GB."""
MOST_RATIO = 250
"""Unpacked bytes for each byte of the archive; images reach 2 to 10, empty ones 100."""
RATIO_FROM_BYTES = 256 << 20
"""Smaller contents are harmless whatever their ratio."""
MARK = "kv"
"""How the names of unpacked files begin."""

_MOST_DIRECTORY_BYTES = 32 << 20
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_SIZE, _LONGEST_COMMENT = 22, 0xFFFF
_ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Flags of encryption, strong encryption, and a hidden directory."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the others a few bytes can take gigabytes of memory to unpack."""
_LOCAL_HEADER_BYTES = 30
_DRIVE = re.compile(r"[A-Za-z]:")
_KEPT_ENDINGS = (".nii.gz", ".v.gz", ".nii", ".json", ".hdr", ".img", ".v", ".dcm")
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".iso")
_A_FOLDER = 1000
"""Files in one folder of what is unpacked."""
_TWICE = "another file of the same name in the archive"


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive.

    Attributes:
        number: Place in the archive's directory.
        name: As in the archive, with `/`.
        place: Where it is unpacked, below the folder of the archive, with `/`; tells nothing of
            its name but the kind, and that files belong together by their stem.
        size: Bytes unpacked.
    """

    number: int
    name: str
    place: str
    size: int


@dataclass(frozen=True, slots=True)
class ZipContent:
    """What an archive holds.

    Attributes:
        members: Files to unpack.
        unused: (name, reason) of those that are not.
        digest: SHA-256 of names, sizes, checksums and places of all members.
    """

    members: tuple[Member, ...]
    unused: tuple[tuple[str, str], ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes unpacked."""
        return sum(member.size for member in self.members)


def is_zip(path: Path) -> bool:
    """Whether a path is a file whose name says that it is a zip archive."""
    return path.name.lower().endswith(ENDING) and path.is_file()


def examine(path: Path) -> ZipContent:
    """Look at the directory of an archive.

    Raises:
        ReadError: it cannot be read, is cut off or damaged, or no study looks like that.
        UnsupportedDataError: it is encrypted or packed by a method that is not read.
    """
    try:
        _refuse_large_directory(path)
        with ZipFile(path) as archive:
            infos = archive.infolist()
    except OSError as error:
        raise ReadError(f"{path} cannot be read ({error.strerror or 'damaged'}).") from error
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise damaged(path) from error
    _refuse_encrypted(path, infos)
    _refuse_links_and_ways_out(path, infos)
    _refuse_bomb(path, infos)
    members, unused = _sorted_members(infos)
    facts = ((i.filename, i.file_size, i.compress_size, i.CRC, i.header_offset) for i in infos)
    text = "\n".join("\0".join(map(str, one)) for one in facts)
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return ZipContent(members, unused, digest)


def damaged(path: Path) -> ReadError:
    """The error of an archive that is no whole zip file."""
    return ReadError(f"{path} is cut off or damaged, or no zip archive; copy it again.")


def _refuse_large_directory(path: Path) -> None:
    """Refuse before all members are brought into memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) < at + _END_SIZE:
            raise damaged(path)
        count, directory = struct.unpack_from("<HL", tail, at + 10)
        if at >= 20 and tail[at - 20 : at - 16] == _LOCATOR_64:
            (place,) = struct.unpack_from("<Q", tail, at - 12)
            file.seek(min(place, size))
            record = file.read(56)
            if record[:4] != _END_64:
                raise damaged(path)
            count, directory = struct.unpack_from("<QQ", record, 32)
    if count > MOST_MEMBERS or directory > _MOST_DIRECTORY_BYTES:
        raise ReadError(
            f"{path} holds more than {MOST_MEMBERS} files, which no study does; unpack what you"
            " need yourself."
        )


def _refuse_encrypted(path: Path, infos: Iterable[ZipInfo]) -> None:
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            raise UnsupportedDataError(
                f"{path} is encrypted; unpack it with its password and open the folder."
            )
        if info.compress_type not in _METHODS:
            raise UnsupportedDataError(
                f"{path} is packed by a method that KiView does not read (number"
                f" {info.compress_type}); unpack it and open the folder."
            )


def _refuse_links_and_ways_out(path: Path, infos: Iterable[ZipInfo]) -> None:
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ReadError(
                f"{path} holds links or special files, which KiView does not follow; unpack it"
                " yourself if you trust it."
            )
        name = info.orig_filename.replace("\\", "/")
        if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
            raise ReadError(
                f"{path} holds names that lead out of its folder, as no sound archive does; get it"
                " from its source again."
            )


def _refuse_bomb(path: Path, infos: list[ZipInfo]) -> None:
    total = sum(info.file_size for info in infos)
    if total > MOST_BYTES:
        raise ReadError(
            f"{path} would take {total / 1e9:.3g} GB unpacked; KiView unpacks up to"
            f" {MOST_BYTES / 1e9:g} GB. Unpack it yourself and open the folder."
        )
    packed = path.stat().st_size
    if total > RATIO_FROM_BYTES and total > MOST_RATIO * packed:
        raise ReadError(
            f"{path} would grow {total / packed:.0f}-fold when unpacked, as images do not (limit"
            f" {MOST_RATIO}); unpack it yourself if you trust it."
        )
    end = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        if info.header_offset < end:
            raise damaged(path)  # members that share bytes: a bomb
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
    if end > packed:
        raise damaged(path)


def _sorted_members(
    infos: Iterable[ZipInfo],
) -> tuple[tuple[Member, ...], tuple[tuple[str, str], ...]]:
    members: list[Member] = []
    unused: list[tuple[str, str]] = []
    stems: dict[str, int] = {}
    taken: set[str] = set()
    for number, info in enumerate(infos):
        name = _clean(info.orig_filename)
        if info.orig_filename.endswith(("/", "\\")) or not name:
            continue
        stem, ending = _split(name)
        place = stems.setdefault(stem, len(stems))
        target = f"{place // _A_FOLDER:04d}/{MARK}{place:07d}{ending}"
        reason = _TWICE if target in taken else _why_not(name)
        if reason:
            unused.append((name, reason))
            continue
        taken.add(target)
        members.append(Member(number, name, target, info.file_size))
    return tuple(members), tuple(unused)


def _clean(name: str) -> str:
    """A name with single `/`; control characters cannot be shown."""
    parts = name.partition("\0")[0].replace("\\", "/").split("/")
    text = PurePosixPath(*(part for part in parts if part not in ("", "."))).as_posix()
    return "" if text == "." else "".join(c if c.isprintable() else "?" for c in text)


def _why_not(name: str) -> str:
    parts = name.split("/")
    if parts[0] == "__MACOSX" or parts[-1].startswith("._"):
        return "a leftover of macOS, no image"
    if name.lower().endswith(_ARCHIVES):
        return "an archive inside the archive, not unpacked; open it on its own"
    return ""


def _split(name: str) -> tuple[str, str]:
    """What files that belong together share, and the ending; one of DICOM files is kept too."""
    lower = name.lower()
    ending = next((end for end in _KEPT_ENDINGS if lower.endswith(end)), "")
    stem = name[: -len(ending)] if ending else name
    beside = ending in (".nii.gz", ".nii", ".json", ".hdr", ".img")
    return (stem, ending) if beside else (name, ending)
