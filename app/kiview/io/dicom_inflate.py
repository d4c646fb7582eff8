"""Deflated DICOM files, written out plain for the time of reading."""

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kiview.core.errors import ReadError
from kiview.io.dicom_fast import EXPLICIT_LITTLE_ENDIAN, MoreNeededError, RawHeader, read_meta

_SYNTAX = EXPLICIT_LITTLE_ENDIAN.encode().ljust(20, b"\0")
_PLAIN_BEGIN = bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x14\x00" + _SYNTAX
"""Preamble and transfer syntax of a plain file."""
_HEADER_BYTES = 16 << 20
_CHUNK = 256 << 10


@contextmanager
def inflated(path: str, most_bytes: int) -> Iterator[Path]:
    """The same file in explicit little endian, which is gone after the `with` statement.

    It is inflated piece by piece into a temporary folder, never into memory.

    Args:
        path: A file in the transfer syntax "deflated explicit little endian".
        most_bytes: What pixels and functional groups can take; a file that inflates to much more is
            refused.

    Raises:
        ReadError: the file cannot be read, is damaged or inflates to more than it should.
    """
    with tempfile.TemporaryDirectory(prefix="kiview-") as folder:
        plain = Path(folder) / "plain.dcm"
        try:
            with Path(path).open("rb") as source, plain.open("wb") as target:
                _inflate(source, target, most_bytes + _HEADER_BYTES, path)
        except OSError as error:
            raise ReadError(f"{path} cannot be inflated ({error.strerror}).") from error
        except (zlib.error, MoreNeededError) as error:
            raise ReadError(f"{path} is damaged and cannot be inflated; copy it again.") from error
        yield plain


def _inflate(source: BinaryIO, target: BinaryIO, most_bytes: int, path: str) -> None:
    head = source.read(_CHUNK)
    begin = read_meta(head, RawHeader())
    target.write(_PLAIN_BEGIN)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    waiting, written = head[begin:], 0
    while waiting and not inflater.eof:
        piece = inflater.decompress(waiting, _CHUNK)
        written += target.write(piece)
        if written > most_bytes:
            raise ReadError(f"{path} inflates to more than its image can take; it is damaged.")
        waiting = inflater.unconsumed_tail or source.read(_CHUNK)
    target.write(inflater.flush())
