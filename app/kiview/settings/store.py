"""Load, migrate and save the user's settings: one JSON file, written whole or not at all."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kiview import paths
from kiview.core.errors import ExportError, InvalidInputError
from kiview.settings import schema
from kiview.settings.schema import Settings, Value

_VERSION_KEY = "schema_version"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings as they hold now, and what the user should know about how they were read.

    Attributes:
        settings: always complete and within limits.
        notices: sentences, empty when all was well.
    """

    settings: Settings
    notices: tuple[str, ...] = ()


def load(file: Path | None = None) -> LoadedSettings:
    """Read the settings; a missing file gives the defaults, a bad value its default.

    A file that is no settings file at all is kept aside under a name ending in ``.damaged``.

    Args:
        file: the settings file; by default `paths.settings_file()`.
    """
    file = file or paths.settings_file()
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return LoadedSettings(Settings())
    except OSError as error:
        notice = f"The settings file {file} cannot be read ({error.strerror}); defaults are used."
        return LoadedSettings(Settings(), (notice,))
    except (ValueError, RecursionError):
        return _set_aside(file)
    if not isinstance(written, dict):
        return _set_aside(file)
    return _from_file(written)


def save(settings: Settings, file: Path | None = None) -> None:
    """Write the settings; an interrupted write leaves the old file.

    Args:
        settings: what to keep.
        file: the settings file; by default `paths.settings_file()`.

    Raises:
        ExportError: the folder cannot be written.
    """
    file = file or paths.settings_file()
    content = {_VERSION_KEY: schema.SCHEMA_VERSION, **dataclasses.asdict(settings)}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise ExportError(
            f"The settings could not be saved to {file}: {error.strerror}. "
            "They hold until KiView is closed."
        ) from error


def _replace(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _set_aside(file: Path) -> LoadedSettings:
    aside = file.with_name(file.name + ".damaged")
    try:
        file.replace(aside)
    except OSError:
        where = "It could not be moved aside."
    else:
        where = f"The old file was kept as {aside.name}."
    notice = f"The settings file {file} is damaged; defaults are used. {where}"
    return LoadedSettings(Settings(), (notice,))


def _from_file(written: Mapping[str, object]) -> LoadedSettings:
    notices: list[str] = []
    version = written.get(_VERSION_KEY)
    if isinstance(version, int) and version > schema.SCHEMA_VERSION:
        notices.append("The settings were written by a newer KiView; unknown ones are ignored.")
    values = _known_values(_migrated(written), notices)
    try:
        return LoadedSettings(_made(values), tuple(notices))
    except InvalidInputError as error:
        notices.append(f"{error} Default settings are used.")
        return LoadedSettings(Settings(), tuple(notices))


def _migrated(written: Mapping[str, object]) -> dict[str, object]:
    return {
        schema.RENAMED.get(key, key): value
        for key, value in written.items()
        if key != _VERSION_KEY and key not in schema.REMOVED
    }


def _known_values(written: Mapping[str, object], notices: list[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for field in schema.fields():
        if field.key not in written:
            continue
        try:
            values[field.key] = field.checked(written[field.key])
        except InvalidInputError as error:
            notices.append(f"Settings: {error} The default, {field.default}, is used.")
    return values


def _made(values: Mapping[str, Value]) -> Settings:
    return dataclasses.replace(Settings(), **values)  # type: ignore[arg-type] # checked by `fields`
