"""A file of which only so much may be read: headers that claim gigabytes end early."""

import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class TooMuchReadError(Exception):
    """More was asked for than a header can hold."""


def open_limited(path: str | os.PathLike[str], most_bytes: int) -> io.BufferedReader:
    """Open a file for reading; reading raises `TooMuchReadError` beyond `most_bytes` in all."""
    return io.BufferedReader(_LimitedFile(path, most_bytes))


class _LimitedFile(io.FileIO):
    def __init__(self, path: str | os.PathLike[str], most_bytes: int) -> None:
        super().__init__(path, "rb")
        self._left = most_bytes

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer, as far as the file reaches."""
        self._spend(memoryview(buffer).nbytes)
        return super().readinto(buffer) or 0

    def readall(self) -> bytes:
        """The rest of the file."""
        self._spend(os.fstat(self.fileno()).st_size - self.tell())
        return super().readall() or b""

    def _spend(self, wanted: int) -> None:
        self._left -= wanted
        if self._left < 0:
            raise TooMuchReadError
