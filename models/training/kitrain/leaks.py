"""Checks that nothing a network is judged by was seen in its training; each one fails by name."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from kitrain.data import Split, is_test_seed
from kitrain.manifest import GroupEntry
from kiview.core.errors import InvalidInputError

Splits = Mapping[str, Sequence[GroupEntry]]
_MOST_NAMES = 5
_NETWORK = "network"


class LeakError(InvalidInputError):
    """What is tested or validated on was trained on, or a network would train on a network."""


def check_splits(*splits: Split) -> None:
    """Run every check on the splits of a training or an evaluation.

    Raises:
        LeakError: a person, a scan, a slice or a seed is where it must not be, or a reference was
            made by a network; all offenders of the first failing check are named.
    """
    entries = {split.name: split.entries for split in splits}
    if len(entries) < len(splits):
        raise LeakError("Two splits have the same name; give each its own.")
    check_entries(entries)


def check_entries(splits: Splits) -> None:
    """The checks of `check_splits` on entries by split.

    Raises:
        LeakError: as there.
    """
    _refuse_shared(splits, "person", lambda entry: entry.subject)
    _refuse_shared(splits, "scan", lambda entry: entry.scan)
    _refuse_seeds(splits)
    _refuse_same_frames(splits)
    refuse_network_references(entry for entries in splits.values() for entry in entries)


def refuse_network_references(entries: Iterable[GroupEntry]) -> None:
    """Refuse groups whose reference a network made: it would train on itself.

    Raises:
        LeakError: with the names of groups and networks.
    """
    found = []
    for entry in entries:
        for name, method in entry.references.items():
            network = entry.reference_networks.get(name, "")
            if network or _NETWORK in method.lower():
                found.append(f"{entry.file} ({name} by {network or method})")
    if found:
        raise LeakError(
            f"A reference was made by a network: {_listed(found)}. A network would learn its own"
            " output; remove these groups or their references."
        )


def _refuse_shared(splits: Splits, what: str, key_of: Callable[[GroupEntry], str]) -> None:
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for name, entries in splits.items():
        for entry in entries:
            homes[key_of(entry)].add(name)
    found = [
        f"{key} in {' and '.join(sorted(where))}" for key, where in homes.items() if len(where) > 1
    ]
    if found:
        raise LeakError(f"The same {what} is in two splits: {_listed(found)}. Split by person.")


def _refuse_same_frames(splits: Splits) -> None:
    """The same measured slice under another person's or scan's name."""
    homes: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, entries in splits.items():
        for entry in entries:
            for key in entry.slices:
                homes[key].setdefault(name, entry.file)
    found = {
        " = ".join(f"{file} ({split})" for split, file in files.items())
        for files in homes.values()
        if len(files) > 1
    }
    if found:
        raise LeakError(
            f"The same frames are in two splits: {_listed(sorted(found))}. Remove one of each."
        )


def _refuse_seeds(splits: Splits) -> None:
    found = [
        f"{entry.file} (seed {entry.seed}) in {name}"
        for name, entries in splits.items()
        for entry in entries
        if entry.seed is not None and is_test_seed(entry.seed) != (name == "test")
    ]
    if found:
        raise LeakError(
            f"Seeds kept for tests and seeds for training were exchanged: {_listed(found)}."
            " Draw each split from its own range."
        )


def _listed(found: Sequence[str]) -> str:
    more = len(found) - _MOST_NAMES
    return ", ".join(found[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
