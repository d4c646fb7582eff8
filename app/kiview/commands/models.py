"""`kiview models`: the bundled networks and whether their files are what was shipped."""

import argparse

from kiview import paths
from kiview.commands.terminal import DONE, FAILED, TerminalProgress, say, say_json, say_table
from kiview.core.errors import NetworkError
from kiview.core.provenance import JsonValue
from kiview.nets.catalog import NetworkCard, load_catalog, verify


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:  # noqa: ARG001 - same for all
    """List the catalogue, or check every file against its hash."""
    cards = load_catalog(paths.models_dir()).cards
    problems = {card.id: problem(card) for card in cards} if given.action == "verify" else {}
    if given.json:
        say_json({"networks": [record(card, problems.get(card.id)) for card in cards]})
    else:
        _say_text(cards, problems)
    return FAILED if any(problems.values()) else DONE


def problem(card: NetworkCard) -> str:
    """What is wrong with the files of a network, or an empty text."""
    try:
        verify(card)
    except NetworkError as error:
        return str(error)
    return ""


def record(card: NetworkCard, found: str | None) -> dict[str, JsonValue]:
    """A network for `--json`; `intact` is null when it was not checked."""
    return {
        "id": card.id,
        "version": card.version,
        "title": card.title,
        "licence": card.licence,
        "sha256": card.network.sha256,
        "voxel_mm": [*card.voxel_mm],
        "results": dict(card.results),
        "intact": None if found is None else not found,
        "problem": found or None,
    }


def _say_text(cards: tuple[NetworkCard, ...], problems: dict[str, str]) -> None:
    if not problems:
        rows = [(card.id, card.version, card.network.sha256[:12], card.title) for card in cards]
        say_table([("network", "version", "sha256", "title"), *rows])
        return
    for name, found in problems.items():
        say(f"{name}: {found or 'intact'}")
