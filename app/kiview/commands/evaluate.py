"""`kiview models evaluate`: scores of a network and of a weight set on the built-in phantom."""

import argparse
from dataclasses import asdict

from kiview.commands.arguments import require_file
from kiview.commands.terminal import DONE, TerminalProgress, say, say_json, say_table
from kiview.core.provenance import JsonValue
from kiview.jobs.probe_network import (
    PHANTOM_SEED,
    ProbeReport,
    ProbeRequest,
    probe_network,
    score_rows,
)
from kiview.nets.catalog import Catalog, NetworkCard
from kiview.nets.weight_files import load_weight_set
from kiview.nets.weights import WeightSet, shipped_weights

_HEADS = ("", "installed", "now", "Patlak")


def run(given: argparse.Namespace, catalog: Catalog, progress: TerminalProgress) -> int:
    """Score the network, as installed and with the weight set given.

    Args:
        given: `network`, `weights` and `json`.
        catalog: Networks there are.
        progress: Of the simulation and the runs.
    """
    card, weights = _chosen(given, catalog)
    report = probe_network(ProbeRequest(card, weights), None, progress)
    progress.clear()
    if given.json:
        say_json(record(report))
        return DONE
    say(f"{card.name} ({card.origin}), weights {weights.identity(card)[:8]}")
    say_table([_HEADS, *((name, *values) for name, _, *values in score_rows(report))])
    return DONE


def record(report: ProbeReport) -> dict[str, JsonValue]:
    """A report for `--json`; shares, not percent."""
    card, weights = report.request.card, report.request.weights
    return {
        "network": card.name,
        "origin": str(card.origin),
        "weight_set_id": weights.identity(card),
        "state": str(weights.state(card)),
        "phantom_seed": PHANTOM_SEED,
        "shipped": asdict(report.shipped),
        "now": asdict(report.now),
        "patlak": asdict(report.patlak),
    }


def _chosen(given: argparse.Namespace, catalog: Catalog) -> tuple[NetworkCard, WeightSet]:
    """The network named, else that of the weight set, else the default; and its weights."""
    if given.weights is None:
        card = catalog.card(given.network) if given.network else catalog.default
        return card, shipped_weights(card)
    require_file(given.weights, "--weights")
    known = (catalog.card(given.network),) if given.network else catalog.cards
    return load_weight_set(given.weights, known)
