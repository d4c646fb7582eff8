"""Card and words of a network that was fine-tuned on added cases."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kiview.nets.catalog import CALIBRATION

_TEXT = """# {title} ({id} {version})

Research use only. Network {parent} {parent_version}, fine-tuned at this site on {count} parts of
scans that were added by the user, beside simulated people. What the network is, what goes in and
comes out and how its first version was trained stands in the card of that version; its scores there
hold for that version only. Licence {licence}.

Each part was used with the plasma curve and the reference map that came with it; maps that a
network made are not accepted as references. The hashes of the parts are in `card.toml`. They hold
no name and no number of a patient.

## Before and after

Mean NRMSE on people whom neither version has learnt from; lower is better.

| | {parent} {parent_version} | this version |
|---|---|---|
| added cases, to their reference maps | {added_before:.4f} | {added:.4f} |
| simulated people, to truth | {simulated_before:.4f} | {simulated:.4f} |

A version that is worse on the added cases is not written.

{uncertainty}Command: `python -m kitrain update --network {parent}`. The change of the weights was
added to both ends of the slider. `python -m kitrain evaluate --network FOLDER` scores this version
on simulated people as the first one was.
"""


_CALIBRATED = """Its standard deviation is calibrated as that of its parent, not anew; the report of
`evaluate` tells whether that still fits.

"""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What an update learnt from.

    Attributes:
        groups: Hashes of the added groups it was trained on.
        held_out: Hashes of the added groups that judged it.
        noise_gains: g of all groups it was trained on, simulated ones too.
    """

    groups: tuple[str, ...]
    held_out: tuple[str, ...]
    noise_gains: tuple[float, ...]


def update_card(
    parent: Mapping[str, Any],
    named: tuple[str, str],
    learnt: Learnt,
    results: Mapping[str, float],
) -> dict[str, Any]:
    """The card of the next version; files are told by who writes them.

    Args:
        parent: Card of the version before.
        named: Id and version of the next one.
        learnt: From what.
        results: Validation before and after, by name.
    """
    card: dict[str, Any] = copy.deepcopy(dict(parent))
    gains = learnt.noise_gains
    card["id"], card["version"] = named
    low, high = card["domain"]["noise_gain"]
    card["domain"]["noise_gain"] = [
        round(min(low, *gains), 3),
        round(max(high, *gains), 3),
    ]
    training = card["training"]
    training["parent"], training["parent_version"] = parent["id"], parent["version"]
    training["groups"] = sorted({*training.get("groups", []), *learnt.groups})
    training["held_out"] = sorted(learnt.held_out)
    card["results"] = {name: round(value, 6) for name, value in results.items()}
    return card


def update_text(card: Mapping[str, Any]) -> str:
    """The readable card."""
    training, results = card["training"], card["results"]
    return _TEXT.format(
        title=card["title"],
        id=card["id"],
        version=card["version"],
        licence=card["licence"],
        parent=training["parent"],
        parent_version=training["parent_version"],
        count=len(training["groups"]),
        added_before=results["validation_added_before"],
        added=results["validation_added"],
        simulated_before=results["validation_simulated_before"],
        simulated=results["validation_simulated"],
        uncertainty=_CALIBRATED if CALIBRATION in {o["name"] for o in card["outputs"]} else "",
    )
