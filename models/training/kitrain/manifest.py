"""What is in a split: one entry per group, and the manifest that lists them."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kitrain.group_file import GROUP_VERSION, file_sha256, load_group, slice_hashes
from kiview.core.errors import ReadError


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A group as manifests and leak checks know it, without its arrays.

    Attributes:
        file: Name of the group's file.
        sha256: Of that file.
        subject: Person.
        scan: One scan of the person.
        origin: `simulated` or `added`.
        seed: Of a simulated person, else None.
        slices: Content hashes of all slices (`group_file.slice_hashes`).
        references: Method of every reference by name.
        reference_networks: Network id of every reference that a network made, by name.
        curve_source: Who made the curve.
    """

    file: str
    sha256: str
    subject: str
    scan: str
    origin: str
    seed: int | None
    slices: tuple[str, ...]
    references: Mapping[str, str]
    reference_networks: Mapping[str, str]
    curve_source: str


def entry_of(path: Path) -> GroupEntry:
    """The entry of a group file, made once and kept beside it.

    Raises:
        ReadError: the file is damaged, or is no longer what it was when its entry was made.
    """
    beside = entry_path(path)
    if not beside.is_file():
        return make_entry(path)
    entry = _read_entry(beside)
    if file_sha256(path) != entry.sha256:
        raise ReadError(
            f"{path.name} was changed after it was made; delete it with {beside.name} and make it"
            " again."
        )
    return entry


def make_entry(path: Path) -> GroupEntry:
    """Read a group file and write its entry beside it."""
    group = load_group(path)
    references = group.references
    entry = GroupEntry(
        file=path.name,
        sha256=file_sha256(path),
        subject=group.identity.subject,
        scan=group.identity.scan,
        origin=group.identity.origin.value,
        seed=group.identity.seed,
        slices=slice_hashes(group),
        references={name: maps.method for name, maps in references.items()},
        reference_networks={n: m.network_id for n, m in references.items() if m.network_id},
        curve_source=group.curve.source.value,
    )
    write_whole(entry_path(path), json.dumps(asdict(entry), indent=1, sort_keys=True))
    return entry


def entry_path(path: Path) -> Path:
    """Where the entry of a group file is kept."""
    return path.with_suffix(".json")


def write_manifest(path: Path, split: str, entries: Sequence[GroupEntry]) -> str:
    """Write the manifest of a split; its SHA-256 covers the content of every group."""
    content = {
        "split": split,
        "group_version": GROUP_VERSION,
        "groups": [asdict(entry) for entry in entries],
    }
    text = json.dumps(content, indent=1, sort_keys=True)
    write_whole(path, text)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; several processes may write the same."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _read_entry(path: Path) -> GroupEntry:
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return GroupEntry(**{**said, "slices": tuple(said["slices"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReadError(f"{path.name} is no entry of a training group; delete it.") from error
