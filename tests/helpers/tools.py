"""External programs that check KiView's files."""

import os
import shutil

import pytest


def require_tool(name: str) -> str:
    """Full path of an external program; skips where it is absent, fails where CI lacks it.

    Args:
        name: the program, for example ``"dciodvfy"``.
    """
    path = shutil.which(name)
    if path is None:
        sentence = f"{name} is not installed; `installer/dev.py test` installs it as root with apt"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(f"platform: {sentence}")
    return path
