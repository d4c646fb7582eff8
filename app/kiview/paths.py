"""Every location: bundled resources and networks, and the user's folders.

Nothing here makes a folder: who writes, makes the folder first. Set ``KIVIEW_USER_DIR`` to keep all
user folders in one place (a portable installation, a test).
"""

import os
from pathlib import Path, PurePosixPath

import platformdirs

APPLICATION_NAME = "KiView"
USER_DIR_VARIABLE = "KIVIEW_USER_DIR"
SITE_MODELS_VARIABLE = "KIVIEW_SITE_MODELS"
"""Folder of the networks that a site gives to its users."""

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


class BundledFileError(OSError):
    """A file that belongs to KiView is missing or its name leaves its folder."""


def resources_dir() -> Path:
    """Folder of bundled resources: of the installed wheel, else of the checkout."""
    return _bundled_dir("_resources", "resources")


def models_dir() -> Path:
    """Folder of bundled networks: of the installed wheel, else of the checkout."""
    return _bundled_dir("_models", "models")


def site_models_dir(setting: str = "") -> Path | None:
    """Folder of the site's networks: of `KIVIEW_SITE_MODELS`, else of the setting, else None."""
    chosen = os.environ.get(SITE_MODELS_VARIABLE, "") or setting
    return Path(chosen) if chosen else None


def user_models_dir() -> Path:
    """Folder of the user's networks, laid out like the bundled ones; need not be there."""
    return data_dir() / "models"


def resource(name: str) -> Path:
    """Path of one bundled resource.

    Args:
        name: relative name with forward slashes, for example ``"colormaps/magma.csv"``.

    Raises:
        BundledFileError: the name is not relative, or there is no such file.
    """
    return bundled_file(resources_dir(), name)


def bundled_file(folder: Path, name: str) -> Path:
    """Path of one file or folder below a bundled folder.

    Args:
        folder: `resources_dir()`, `models_dir()` or a folder in them.
        name: relative name with forward slashes that stays inside the folder.

    Raises:
        BundledFileError: the name is not relative, or there is no such file.
    """
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts or "\\" in name or ":" in name:
        raise BundledFileError(f"'{name}' is not a relative name inside {folder.name}.")
    path = folder / parts
    if not path.exists():
        raise BundledFileError(
            f"The file '{name}' is missing from {folder}. Install KiView again to restore it."
        )
    return path


def config_dir() -> Path:
    """The user's settings."""
    return _user_dir("config", platformdirs.user_config_path(APPLICATION_NAME, False))


def data_dir() -> Path:
    """What the user made and wants to keep: regions, weight sets, workspaces."""
    return _user_dir("data", platformdirs.user_data_path(APPLICATION_NAME, False))


def cache_dir() -> Path:
    """What can be made again: imported voxels, the demo study."""
    return _user_dir("cache", platformdirs.user_cache_path(APPLICATION_NAME, False))


def log_dir() -> Path:
    """Log files; they hold no patient names."""
    return _user_dir("log", platformdirs.user_log_path(APPLICATION_NAME, False))


def settings_file() -> Path:
    """The file in which the user's settings are kept."""
    return config_dir() / "settings.json"


def demo_study_dir() -> Path:
    """Folder of the demo study, made on first use."""
    return cache_dir() / "demo-study"


def voxel_cache_dir() -> Path:
    """Folder of imported voxels."""
    return cache_dir() / "voxels"


def library_file() -> Path:
    """The list of studies that were opened; the only file KiView keeps that holds patient names."""
    return data_dir() / "library" / "library.sqlite"


def weight_sets_dir() -> Path:
    """Folder of the user's adjustments of networks."""
    return data_dir() / "weights"


def _bundled_dir(in_wheel: str, in_checkout: str) -> Path:
    installed = _PACKAGE / in_wheel
    return installed if installed.is_dir() else _CHECKOUT / in_checkout


def _user_dir(kind: str, platform_folder: Path) -> Path:
    root = os.environ.get(USER_DIR_VARIABLE, "")
    return Path(root) / kind if root else platform_folder
