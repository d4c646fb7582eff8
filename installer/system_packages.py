"""What the machine needs besides Python: shared libraries of Qt, and programs for the tests.

As root with apt they are installed; else the exact line for apt or dnf is told. Like ``dev.py``,
which uses it, this needs nothing but Python.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys

# Shared library -> Debian and Ubuntu package, Fedora package. Qt itself comes with PySide6.
OFFSCREEN_LIBRARIES = {
    "libGL.so.1": ("libgl1", "libglvnd-glx"),
    "libEGL.so.1": ("libegl1", "libglvnd-egl"),
    "libgthread-2.0.so.0": ("libglib2.0-0", "glib2"),
    "libdbus-1.so.3": ("libdbus-1-3", "dbus-libs"),
    "libfontconfig.so.1": ("libfontconfig1", "fontconfig"),
    "libxkbcommon.so.0": ("libxkbcommon0", "libxkbcommon"),
}
WINDOW_LIBRARIES = {
    **OFFSCREEN_LIBRARIES,
    "libxkbcommon-x11.so.0": ("libxkbcommon-x11-0", "libxkbcommon-x11"),
    "libxcb-cursor.so.0": ("libxcb-cursor0", "xcb-util-cursor"),
    "libxcb-icccm.so.4": ("libxcb-icccm4", "xcb-util-wm"),
    "libxcb-keysyms.so.1": ("libxcb-keysyms1", "xcb-util-keysyms"),
    "libxcb-shape.so.0": ("libxcb-shape0", "libxcb"),
}
# Programs that read KiView's files or drive its window in the tests. Fedora has not all of them.
CHECKERS = {
    "dciodvfy": ("dicom3tools", ""),
    "dcm2niix": ("dcm2niix", "dcm2niix"),
    "plastimatch": ("plastimatch", ""),
    "Xvfb": ("xvfb", "xorg-x11-server-Xvfb"),
    "xauth": ("xauth", "xorg-x11-xauth"),
    "xdotool": ("xdotool", "xdotool"),
}


class SetupError(Exception):
    """What stops the script, in a sentence that says what to do."""


def say(sentence: str) -> None:
    """Tell the developer what happens, before it happens."""
    sys.stdout.write(f"[kiview] {sentence}\n")
    sys.stdout.flush()


def may_use_apt() -> bool:
    """Whether this user may install Debian packages without being asked."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(packages: list[str]) -> None:
    """Install Debian packages; the caller has checked `may_use_apt`."""
    say(f"Installing system packages: {' '.join(packages)}.")
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet_options = ["-qq", "-o", "Dpkg::Use-Pty=0"]
    subprocess.call(["apt-get", *quiet_options, "update"], env=settings)
    install = ["apt-get", *quiet_options, "install", "-y", "--no-install-recommends", *packages]
    if subprocess.call(install, env=settings, stdout=subprocess.DEVNULL) != 0:
        raise SetupError(f"apt-get could not install: {' '.join(packages)}; its reason is above.")


def missing_libraries(libraries: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """Packages of the shared libraries that cannot be loaded here; only Linux can lack them."""
    if not sys.platform.startswith("linux"):
        return []
    return [packages for name, packages in libraries.items() if not can_load(name)]


def can_load(library: str) -> bool:
    """Whether the system finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def require_libraries(libraries: dict[str, tuple[str, str]]) -> None:
    """Install the system libraries that Qt needs, or say how to."""
    missing = missing_libraries(libraries)
    if missing and may_use_apt():
        apt_install([debian for debian, _fedora in missing])
    elif missing:
        raise SetupError(f"Qt needs system libraries that are missing here. {how_to_get(missing)}")


def prefer_checkers() -> None:
    """Install the programs that tests use as referees, or say how to; tests can do without."""
    if not sys.platform.startswith("linux"):
        return
    missing = [packages for program, packages in CHECKERS.items() if not shutil.which(program)]
    if missing and may_use_apt():
        apt_install([debian for debian, _fedora in missing])
    elif missing:
        say(f"Some programs that check KiView's files are missing. {how_to_get(missing)}")


def how_to_get(missing: list[tuple[str, str]]) -> str:
    """The exact line that installs packages, for this system's package manager."""
    fedora = [name for _debian, name in missing if name]
    if shutil.which("dnf") and fedora:
        return f"Install them with: sudo dnf install -y {' '.join(fedora)}"
    return f"Install them with: sudo apt-get install -y {' '.join(name for name, _ in missing)}"
