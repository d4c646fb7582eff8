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
from kiview.jobs.curve_network import installed_curve_networks
from kiview.jobs.networks import installed_networks, verify_network
from kiview.nets.catalog import BLOOD_OUTPUTS, BrokenNetwork, Catalog, NetworkCard
from kiview.settings.store import load as load_settings

MAPS, CURVE = "maps", "curve"
"""Kinds of networks."""


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """List the networks, check every file of them (hash, structure, weights), or score one."""
    if given.action == "evaluate":
        _refuse_curve_network(given.network)
        return evaluate.run(given, networks(), progress)
    catalog = every_network()
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
    """Every network that makes maps.

    Raises:
        NetworkError: the bundled ones cannot be used.
    """
    return installed_networks(load_settings().settings.site_networks_folder)


def every_network() -> Catalog:
    """Networks that make maps, then those that find the plasma curve.

    Raises:
        NetworkError: the bundled ones cannot be used.
    """
    maps = networks()
    curves = installed_curve_networks(maps)
    return Catalog((*maps.cards, *curves.cards), (*maps.broken, *curves.broken))


def kind_of(card: NetworkCard) -> str:
    """What a network gives, in one word: `maps` or `curve`."""
    return CURVE if card.outputs == BLOOD_OUTPUTS else MAPS


def described(origin: str, kind: str) -> str:
    """Who put a network there, and its kind where that is not maps."""
    return origin if kind == MAPS else f"{origin}, {kind}"


def record(card: NetworkCard, found: str | None) -> dict[str, JsonValue]:
    """A network for `--json`; `intact` is null when it was not checked."""
    return {
        "id": card.id,
        "version": card.version,
        "kind": kind_of(card),
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


def _refuse_curve_network(name: str) -> None:
    known = installed_curve_networks(networks()).cards if name else ()
    if any(name in (card.name, card.id) for card in known):
        raise UsageError(
            f"'models evaluate' scores networks that make maps; {name} finds the plasma curve"
        )


def _short(card: NetworkCard) -> str:
    return card.network.sha256[:12]


def _say_text(catalog: Catalog, problems: dict[str, str]) -> None:
    if problems:
        for card in catalog.cards:
            found = problems[card.name] or "intact"
            say(f"{card.name} ({described(str(card.origin), kind_of(card))}): {found}")
    else:
        rows = [
            (card.id, card.version, str(card.origin), _short(card), kind_of(card), card.title)
            for card in catalog.cards
        ]
        say_table([("network", "version", "origin", "sha256", "kind", "title"), *rows])
    for one in catalog.broken:
        say(f"{one.id or 'catalogue'} ({one.origin}): cannot be used. {one.reason}")
