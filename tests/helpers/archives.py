"""Zip archives for tests, sound ones and ones that nobody should send."""

import struct
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_LOCAL, _CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def zip_folder(archive: Path, folder: Path, top: str = "", method: int = ZIP_DEFLATED) -> Path:
    """Put a folder tree into an archive, below a folder `top` in it."""
    with ZipFile(archive, "w", method) as opened:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            opened.write(path, f"{top}/{name}" if top else name)
    return archive


def zip_names(archive: Path, contents: dict[str, bytes]) -> Path:
    """An archive with members of any names, in order."""
    with ZipFile(archive, "w", ZIP_DEFLATED) as opened:
        for name, content in contents.items():
            info = ZipInfo("x")
            info.filename = name  # as it is; the constructor would make it harmless
            opened.writestr(info, content, ZIP_DEFLATED)
    return archive


def add_link(archive: Path, name: str, target: str) -> Path:
    """Add a symbolic link as Unix programs store it."""
    with ZipFile(archive, "a") as opened:
        info = ZipInfo(name)
        info.create_system, info.external_attr = 3, 0o120777 << 16
        opened.writestr(info, target)
    return archive


def set_flag(archive: Path, flag: int) -> Path:
    """Set a flag of all members, for example 1 for encrypted."""
    return _patch(archive, 6, 8, lambda old: old | flag)


def set_method(archive: Path, method: int) -> Path:
    """Say that members are packed by another method."""
    return _patch(archive, 8, 10, lambda _: method)


def _patch(archive: Path, in_local: int, in_central: int, change) -> Path:
    data = bytearray(archive.read_bytes())
    with ZipFile(archive) as opened:
        starts = [info.header_offset for info in opened.infolist()]
        at = opened.start_dir
    places = [start + in_local for start in starts]
    for _ in starts:
        assert data[at : at + 4] == _CENTRAL
        places.append(at + in_central)
        lengths = struct.unpack_from("<HHH", data, at + 28)
        at += 46 + sum(lengths)
    for place in places:
        (old,) = struct.unpack_from("<H", data, place)
        struct.pack_into("<H", data, place, change(old))
    archive.write_bytes(bytes(data))
    return archive


def claim_members(archive: Path, count: int) -> Path:
    """Say another number of members at the end of the archive."""
    data = bytearray(archive.read_bytes())
    at = data.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", data, at + 8, count, count)
    archive.write_bytes(bytes(data))
    return archive


def share_bytes(archive: Path, copies: int) -> Path:
    """An archive whose directory names the bytes of its first member many times."""
    with ZipFile(archive) as opened:
        start = opened.start_dir
    data = archive.read_bytes()
    length = 46 + sum(struct.unpack_from("<HHH", data, start + 28))
    entry = data[start : start + length]
    end = bytearray(data[data.rfind(b"PK\x05\x06") :])
    struct.pack_into("<HHLL", end, 8, copies, copies, copies * length, start)
    archive.write_bytes(data[:start] + entry * copies + bytes(end))
    assert len(ZipFile(archive).infolist()) == copies
    return archive


def damage_middle(archive: Path) -> Path:
    """Change bytes of the first member, so that its checksum does not fit."""
    data = bytearray(archive.read_bytes())
    with ZipFile(archive) as opened:
        info = opened.infolist()[0]
    middle = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    data[middle] ^= 0xFF
    archive.write_bytes(bytes(data))
    return archive
