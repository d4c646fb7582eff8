"""Locks on files that end with the process that holds them, however it ends.

A lock is held as long as its file is open. Where a file system has no locks, shared ones are
granted and exclusive ones are not: then nothing is removed that could be in use. On Windows an open
file keeps its folder from being renamed or removed, so a shared lock there is the open file itself.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_OWNER_ONLY = 0o600
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, shared: bool, wait: bool) -> None:
        if not shared:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

    def share(descriptor: int) -> None:
        """Turn an exclusive lock into a shared one."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        with suppress(OSError):
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool, wait: bool) -> None:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)

    def share(descriptor: int) -> None:
        """Turn an exclusive lock into a shared one."""
        fcntl.flock(descriptor, fcntl.LOCK_SH)


def try_lock(path: Path, *, shared: bool, create: bool = False) -> int | None:
    """Take a lock if nobody is in the way.

    Args:
        path: The lock file.
        shared: Whether others may hold a shared lock at the same time.
        create: Make the file where it is absent.

    Returns:
        Descriptor to hand to `release`, or None: the file is absent, locked, or was exchanged.
    """
    try:
        descriptor = os.open(path, _FLAGS if create else _FLAGS & ~os.O_CREAT, _OWNER_ONLY)
    except OSError:
        return None
    try:
        try:
            _lock(descriptor, shared=shared, wait=False)
        except OSError as error:
            if not (shared and error.errno in _NO_LOCKS):
                raise
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except OSError:
        pass
    release(descriptor)
    return None


def release(descriptor: int) -> None:
    """Give a lock back."""
    with suppress(OSError):
        os.close(descriptor)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for a lock that one process holds at a time.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, _FLAGS, _OWNER_ONLY)
    try:
        try:
            _lock(descriptor, shared=False, wait=True)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        release(descriptor)
