"""Curve networks: which there are, and what their cards say beside what every card says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kiview.core.errors import NetworkError
from kiview.nets.card_values import read_toml, within
from kiview.nets.catalog import (
    BLOOD_OUTPUTS,
    CARD_NAME,
    Catalog,
    NetworkCard,
    entries,
    entry_card,
    read_card,
)
from kiview.nets.curve_features import CURVE_FEATURE_VERSION
from kiview.nets.curve_readout import CurveReadout
from kiview.nets.reach import THREE_LEVELS

CURVE_ENTRY = "curve_network"
"""Key of the catalogue that lists them."""


@dataclass(frozen=True, slots=True)
class CurveCard:
    """What is known about one curve network.

    Attributes:
        network: As of every network; its output is `blood`.
        readout: From what it measures to the shape of the curve.
        ki_network_sha256: Of the network file whose maps are among its features.
        least_probability: Below this mean probability of what it attends to there is no vessel.
    """

    network: NetworkCard
    readout: CurveReadout
    ki_network_sha256: str
    least_probability: float

    def ki_network(self, catalog: Catalog) -> NetworkCard:
        """The network whose maps are among its features.

        Raises:
            NetworkError: it is not there.
        """
        for card in catalog.cards:
            if card.network.sha256 == self.ki_network_sha256:
                return card
        raise NetworkError(
            f"The curve network {self.network.id!r} needs a network that is not installed; install"
            " KiView again, or draw a region in blood."
        )


def load_curve_card(models_dir: Path) -> CurveCard:
    """The first curve network of a folder; checks the hash of its card.

    Raises:
        NetworkError: there is none, or its card cannot be used.
    """
    entry = entries(models_dir, CURVE_ENTRY)[0]
    return _curve_card(entry_card(models_dir, entry, kinds=(BLOOD_OUTPUTS,)))


def read_curve_card(path: Path) -> CurveCard:
    """Read one card; the files it names are checked when they are used.

    Raises:
        NetworkError: the card is missing, incomplete or of another version.
    """
    return _curve_card(read_card(path, kinds=(BLOOD_OUTPUTS,)))


def _curve_card(network: NetworkCard) -> CurveCard:
    content = read_toml(network.network.path.parent / CARD_NAME)
    if content.get("curve_feature_version") != CURVE_FEATURE_VERSION:
        raise NetworkError(
            f"The curve network {network.id!r} was trained on other features than this version"
            " computes; use a matching network."
        )
    try:
        return CurveCard(
            _as_fine(network),
            _readout(content["readout"]),
            str(content["ki_network"]["sha256"]),
            within(float(content["least_probability"]), (0.0, 1.0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NetworkError(
            f"The card of curve network {network.id!r} is incomplete or wrong ({error}); put the"
            " original card back."
        ) from error


def _as_fine(network: NetworkCard) -> NetworkCard:
    """The network, if it takes the planes of every network of maps."""
    found, most = network.reach.alignment, THREE_LEVELS.alignment
    if found > most:
        raise ValueError(f"alignment {found} is more than {most}")
    return network


def _readout(said: Mapping[str, Any]) -> CurveReadout:
    names = ("hidden", "hidden_bias", "out", "out_bias")
    return CurveReadout(*(np.array(said[name], dtype=np.float64) for name in names))
