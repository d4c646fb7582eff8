"""Only the user may look into the cache: voxels are a patient's, and paths often hold names.

On Windows the folders of a user are private already; nothing is done there.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600
_OTHERS = 0o077


def make_private_folder(folder: Path) -> None:
    """Make a folder of KiView's for its user only; one that was open to others is closed.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    make_private(folder)


def make_private(*places: Path) -> None:
    """Close files and folders of the user's to others, as far as the file system lets."""
    if sys.platform == "win32":
        return
    for place in places:
        with suppress(OSError):
            status = place.stat()
            if status.st_mode & _OTHERS and status.st_uid == os.geteuid():
                place.chmod(FOLDER_MODE if place.is_dir() else FILE_MODE)
