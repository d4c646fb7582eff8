"""`kiview models`: networks of KiView, the site and the user, and whether they can be trusted."""

import argparse

from kiview.commands import evaluate
from kiview.commands.terminal import (
    DONE,
    FAILED,
    TerminalProgress,
    UsageError,
    say,
    say_json,
    say_table,
)
from kiview.core.provenance import JsonValue
from kiview.jobs.networks import installed_networks, verify_network
from kiview.nets.catalog import BrokenNetwork, Catalog, NetworkCard
from kiview.settings.store import load as load_settings


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """List the networks, check every file of them (hash, structure, weights), or score one."""
    catalog = networks()
    if given.action == "evaluate":
        return evaluate.run(given, catalog, progress)
    if given.weights is not None:
        raise UsageError("--weights belongs to 'models evaluate'.")
    if given.network:
        catalog = Catalog((catalog.card(given.network),))
    check = given.action == "verify"
    problems = {card.name: verify_network(card) for card in catalog.cards} if check else {}
    if given.json:
        known = [record(card, problems.get(card.name)) for card in catalog.cards]
        say_json({"networks": [*known, *(broken_record(one) for one in catalog.broken)]})
    else:
        _say_text(catalog, problems)
    return FAILED if any(problems.values()) or (check and catalog.broken) else DONE


def networks() -> Catalog:
    """Every network that there is.

    Raises:
        NetworkError: the bundled ones cannot be used.
    """
    return installed_networks(load_settings().settings.site_networks_folder)


def record(card: NetworkCard, found: str | None) -> dict[str, JsonValue]:
    """A network for `--json`; `intact` is null when it was not checked."""
    return {
        "id": card.id,
        "version": card.version,
        "origin": str(card.origin),
        "title": card.title,
        "licence": card.licence,
        "sha256": card.network.sha256,
        "voxel_mm": [*card.voxel_mm],
        "slider": card.slider is not None,
        "outputs": [*card.outputs],
        "results": dict(card.results),
        "intact": None if found is None else not found,
        "problem": found or None,
    }


def broken_record(broken: BrokenNetwork) -> dict[str, JsonValue]:
    """A network that cannot be used, for `--json`."""
    return {
        "id": broken.id or None,
        "origin": str(broken.origin),
        "intact": False,
        "problem": broken.reason,
    }


def _say_text(catalog: Catalog, problems: dict[str, str]) -> None:
    if problems:
        for card in catalog.cards:
            say(f"{card.name} ({card.origin}): {problems[card.name] or 'intact'}")
    else:
        rows = [
            (card.id, card.version, str(card.origin), card.network.sha256[:12], card.title)
            for card in catalog.cards
        ]
        say_table([("network", "version", "origin", "sha256", "title"), *rows])
    for one in catalog.broken:
        say(f"{one.id or 'catalogue'} ({one.origin}): cannot be used. {one.reason}")
