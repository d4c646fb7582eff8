"""Where the real, shared test data lie, and what a test does without them."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_data_dir() -> Path:
    """Folder of shared data: KIVIEW_SHARED_DATA, else ``shared/data`` beside the checkout.

    The folder need not exist; see `require_shared_data`.
    """
    named = os.environ.get("KIVIEW_SHARED_DATA", "")
    return Path(named) if named else REPOSITORY.parent / "shared" / "data"


def require_shared_data(name: str = "") -> Path:
    """Path of one shared file or folder; skips the test where it is absent.

    Args:
        name: path inside the shared data folder, for example ``"ibsi-sts"``.
    """
    path = shared_data_dir() / name
    if not path.exists():
        pytest.skip(f"shared data: {name or 'folder'} is absent")
    return path
