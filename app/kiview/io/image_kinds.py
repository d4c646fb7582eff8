"""What a file is that holds a whole image but is not DICOM, told by its first bytes."""

import gzip
import zlib
from enum import StrEnum
from pathlib import Path

NIFTI_ENDINGS = (".nii", ".nii.gz")
NEITHER = "neither DICOM nor NIfTI"
_PACKED_ECAT = ".v.gz"
_ECAT_ENDINGS = (".v", _PACKED_ECAT)
_ECAT_MAGIC = b"MATRIX7"
_ECAT_TYPE = slice(50, 52)
"""Of the main header: 14 magic, 32 file name, 2 software version, 2 system, then the type."""
_ECAT_VOLUMES = (6, 7)
_ECAT_OTHERS = {
    1: "sinogram",
    2: "single-plane images",
    3: "attenuation map",
    4: "normalization",
    5: "polar map",
    8: "projections",
    9: "projections",
    10: "single-plane images",
    11: "sinogram",
    12: "sinogram",
    13: "normalization",
    14: "sinogram",
}
_ANALYZE_SIZE = 348
_ZIP_MAGIC = b"PK\x03\x04"
_MAC_PREFIX, _MAC_MAGIC = "._", b"\x00\x05\x16\x07"
_SNIFFED_BYTES = 512


class ImageKind(StrEnum):
    """Files that are one image each."""

    NIFTI = "NIfTI"
    ANALYZE = "Analyze"
    ECAT = "ECAT"


def is_nifti(path: str | Path) -> bool:
    """Whether a name ends like a NIfTI image."""
    return str(path).lower().endswith(NIFTI_ENDINGS)


def is_mac_leftover(path: str | Path) -> bool:
    """Whether macOS made a file beside another one (AppleDouble), whose ending it repeats."""
    file = Path(path)
    return file.name.startswith(_MAC_PREFIX) and _plain_bytes(file).startswith(_MAC_MAGIC)


def sidecar_path(path: Path) -> Path:
    """The JSON file beside an image."""
    stem = path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem
    return path.with_name(stem + ".json")


def files_of(path: Path) -> tuple[str, ...]:
    """A NIfTI image or the header of an Analyze pair, with the files that belong to it."""
    voxels = voxels_of(path) if path.suffix.lower() == ".hdr" else None
    beside = (voxels, sidecar_path(path))
    return (str(path), *(str(one) for one in beside if one is not None and one.is_file()))


def kind_of(path: str | Path) -> ImageKind | str:
    """What a file is that is not DICOM.

    Args:
        path: An ordinary file.

    Returns:
        Its kind, or why it is not read. NIfTI goes by its name, all others by their first bytes.
    """
    file = Path(path)
    if is_mac_leftover(file):
        return "a leftover of macOS, no image"
    if is_nifti(path):
        return ImageKind.NIFTI
    start = _first_bytes(file)
    if start.startswith(_ECAT_MAGIC):
        return _ecat_kind(start)
    if file.suffix.lower() == ".hdr" and _says_analyze(start):
        return ImageKind.ANALYZE if voxels_of(file) else "Analyze header without its .img file"
    return _why_not_read(file, start)


def _why_not_read(file: Path, start: bytes) -> str:
    if start.startswith(_ZIP_MAGIC):
        renamed = "" if file.name.lower().endswith(".zip") else "let its name end in .zip and "
        return f"a zip archive, not unpacked; {renamed}open it on its own"
    if start.lstrip()[:1] == b"!" and b"INTERFILE" in start.split(b"\n", 1)[0].upper():
        return "Interfile header, not read: convert it to NIfTI or DICOM"
    if file.suffix.lower() == ".img" and header_of(file) is None:
        return "Analyze voxels without their .hdr file"
    if file.name.lower().endswith(_ECAT_ENDINGS):
        return "no ECAT 7 image, though its name ends like one"
    if file.suffix.lower() == ".json":
        return "a JSON file with no image of this name beside it"
    return NEITHER


def voxels_of(header: Path) -> Path | None:
    """The `.img` file beside the `.hdr` of an Analyze pair, or None."""
    return _beside(header, (".img", ".IMG"))


def header_of(voxels: Path) -> Path | None:
    """The `.hdr` file beside the `.img` of an Analyze pair, or None where there is none."""
    header = _beside(voxels, (".hdr", ".HDR"))
    return header if header is not None and _says_analyze(_first_bytes(header)) else None


def _beside(path: Path, endings: tuple[str, ...]) -> Path | None:
    return next((p for ending in endings if (p := path.with_suffix(ending)).is_file()), None)


def _says_analyze(start: bytes) -> bool:
    """The first four bytes are the header's size, in either byte order."""
    size = start[:4]
    return len(start) >= _ANALYZE_SIZE and _ANALYZE_SIZE in (
        int.from_bytes(size, "little"),
        int.from_bytes(size, "big"),
    )


def _ecat_kind(start: bytes) -> ImageKind | str:
    number = int.from_bytes(start[_ECAT_TYPE], "big")
    if number in _ECAT_VOLUMES:
        return ImageKind.ECAT
    return f"ECAT file of {_ECAT_OTHERS.get(number, 'unknown content')}, no image volume"


def _plain_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_SNIFFED_BYTES)
    except OSError:
        return b""


def _first_bytes(path: Path) -> bytes:
    """The start of a file, unpacked where it is packed, empty where it cannot be read."""
    opener = gzip.open if path.name.lower().endswith(_PACKED_ECAT) else open
    try:
        with opener(path, "rb") as file:
            return bytes(file.read(_SNIFFED_BYTES))
    except (OSError, EOFError, zlib.error):
        return b""
