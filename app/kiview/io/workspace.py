"""Regions and choices of a study, kept in the user's folder between sessions.

One JSON file per series, named after a hash of the series UID: it holds no patient data, and a
study opened from another place finds it again. Written whole or not at all.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kiview import paths
from kiview.core.errors import ExportError, ReadError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Workspace:
    """What is kept of a study.

    Attributes:
        regions: Region document, see `kiview.core.roi`.
        views: Choices about the views.
        choices: Input function, window and network choices by name.
    """

    regions: dict[str, Any] = field(default_factory=dict)
    views: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)


def workspace_file(series_uid: str) -> Path:
    """Where the workspace of a series is kept."""
    name = hashlib.sha256(series_uid.encode("utf-8")).hexdigest()[:32]
    return paths.data_dir() / "workspaces" / f"{name}.json"


def save(series_uid: str, workspace: Workspace) -> None:
    """Keep a workspace in place of the one before.

    Raises:
        ExportError: the user's folder cannot be written.
    """
    file = workspace_file(series_uid)
    content = {
        "schema_version": SCHEMA_VERSION,
        "regions": workspace.regions,
        "views": workspace.views,
        "choices": workspace.choices,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise ExportError(
            f"The regions could not be saved to {file.parent}: {error.strerror}."
            " They hold until KiView is closed."
        ) from error


def load(series_uid: str) -> Workspace | None:
    """The workspace kept for a series, or None when there is none.

    Raises:
        ReadError: the file is damaged or was written by a newer version; it is left alone.
    """
    file = workspace_file(series_uid)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(
            f"The regions saved with this study cannot be read from {file.name}: {error}."
        ) from error
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise ReadError(
            f"The regions saved with this study ({file.name}) were written by another version of"
            " KiView and are left as they are."
        )
    return Workspace(*(_document(content, name) for name in ("regions", "views", "choices")))


def _document(content: dict[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name, {})
    return value if isinstance(value, dict) else {}


def _replace(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
