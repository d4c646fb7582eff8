"""Which networks a folder holds, what their cards say, and whether their files are unchanged."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kiview.core.errors import NetworkError
from kiview.nets.card_domain import Domain, read_domain
from kiview.nets.card_values import (
    NAME,
    VERSION,
    VOXEL_LIMITS_MM,
    matching,
    output_names,
    plain_name,
    read_toml,
    within,
    words,
)
from kiview.nets.curve_features import CURVE_CHANNELS
from kiview.nets.preprocess import CHANNEL_COUNT, FEATURE_VERSION
from kiview.nets.reach import THREE_LEVELS, Reach, card_reach
from kiview.nets.untrusted import HashedFile

CATALOG_NAME = "catalog.toml"
CARD_NAME = "card.toml"
SCHEMA_VERSION = 1
SIGMA = "sigma"
"""Output of a network that tells its uncertainty: standard deviation of Ki / n."""
CALIBRATION = "calibration"
"""Output of a network that was calibrated: factor of the standard deviation of Ki as shown."""
MAP_OUTPUTS = ("ki", "v")
"""Outputs of every network that makes maps: Ki / n and V / n."""
BLOOD_OUTPUTS = ("blood",)
"""Output of a curve network: a logit that a voxel is blood."""
MAP_KINDS = (MAP_OUTPUTS, (*MAP_OUTPUTS, SIGMA), (*MAP_OUTPUTS, SIGMA, CALIBRATION))


class Origin(StrEnum):
    """Who put a network there."""

    SHIPPED = "shipped"
    """Came with KiView."""
    SITE = "site"
    """Set up by the hospital for its users."""
    USER = "user"
    """Of this user, for example an update of another network."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One weight tensor of a network.

    Attributes:
        name: Of the ONNX initialiser.
        shape: Its sizes.
        offset: Byte of the ONNX file where its float32 values begin.
    """

    name: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Slider:
    """The adjustable weights: W(a) = (1 - a) smooth + a sharp.

    Attributes:
        smooth: Weights at a = 0 (safetensors).
        sharp: Weights at a = 1.
        shipped_position: a of the shipped network.
        help: What moving it does, for the screen.
    """

    smooth: HashedFile
    sharp: HashedFile
    shipped_position: float
    help: str


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """What is known about one bundled network.

    Attributes:
        id: Name of its folder.
        version: Of the network.
        title: For the screen.
        licence: SPDX identifier.
        network: The ONNX file.
        voxel_mm: Spacing along z, y, x it works on.
        domain: What it was trained on.
        slider: The two weight sets that a slider mixes, or None.
        tensors: Its weights; `offset` says where in the ONNX file.
        outputs: Names of its outputs: `ki`, `v`, `sigma` where it tells its uncertainty, and
            `calibration` where that was calibrated; of a curve network `blood` alone.
        origin: Who put it there.
        results: Scores on held-out phantoms by name.
        reach: How far it looks.
    """

    id: str
    version: str
    title: str
    licence: str
    network: HashedFile
    voxel_mm: tuple[float, float, float]
    domain: Domain
    slider: Slider | None
    tensors: tuple[TensorSpec, ...]
    results: Mapping[str, float]
    outputs: tuple[str, ...] = MAP_OUTPUTS
    origin: Origin = Origin.SHIPPED
    reach: Reach = THREE_LEVELS

    @property
    def channels(self) -> int:
        """Of its input."""
        return CURVE_CHANNELS if self.outputs == BLOOD_OUTPUTS else CHANNEL_COUNT

    @property
    def name(self) -> str:
        """Id and version, which no other network has: `ki-fdg-torso-1@1.0.0`."""
        return f"{self.id}@{self.version}"

    @property
    def version_number(self) -> tuple[int, ...]:
        """The version as numbers, to find the newest."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def shipped_position(self) -> float:
        """Where the slider stands for the network as shipped; 1 where there is no slider."""
        return 1.0 if self.slider is None else self.slider.shipped_position

    @property
    def files(self) -> tuple[HashedFile, ...]:
        """Every file that belongs to it beside the card."""
        ends = () if self.slider is None else (self.slider.smooth, self.slider.sharp)
        return (self.network, *ends)


@dataclass(frozen=True, slots=True)
class BrokenNetwork:
    """A network that is listed but cannot be used.

    Attributes:
        id: As it is listed; empty when the whole folder cannot be used.
        origin: Who put it there.
        reason: What is wrong and what to do.
    """

    id: str
    origin: Origin
    reason: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """Networks that there are.

    Attributes:
        cards: Shipped ones first, in the order of their catalogue; the first is the default.
        broken: Those of site and user that cannot be used.
    """

    cards: tuple[NetworkCard, ...]
    broken: tuple[BrokenNetwork, ...] = ()

    @property
    def default(self) -> NetworkCard:
        """The network used unless another is chosen."""
        return self.cards[0]

    def card(self, name: str) -> NetworkCard:
        """The card of a network.

        Args:
            name: `id@version`, or `id`: the shipped network of that id, else the site's, else the
                user's, the newest of several versions.

        Raises:
            NetworkError: there is no such network, or it cannot be used.
        """
        for card in self.cards:
            if name in (card.name, card.id):
                return card
        for one in self.broken:
            if name.partition("@")[0] == one.id:
                raise NetworkError(f"The network {name!r} cannot be used: {one.reason}")
        known = ", ".join(card.name for card in self.cards)
        raise NetworkError(f"There is no network {name!r}; KiView has {known}.")


def load_catalog(models_dir: Path) -> Catalog:
    """Read the catalogue and the cards it lists; checks the hashes of the cards.

    Args:
        models_dir: Folder of `catalog.toml`, for example `kiview.paths.models_dir()`.

    Raises:
        NetworkError: the catalogue or a card is missing, changed or of another version.
    """
    return Catalog(tuple(entry_card(models_dir, entry) for entry in entries(models_dir)))


def entries(folder: Path, kind: str = "network") -> list[Mapping[str, Any]]:
    """What the catalogue of a folder lists, not checked.

    Args:
        folder: Of the catalogue.
        kind: Of network: `network` or `curve_network`.

    Raises:
        NetworkError: it cannot be read, is of another version, or lists nothing.
    """
    content = read_toml(folder / CATALOG_NAME)
    listed = content.get(kind, [])
    sound = isinstance(listed, list) and all(isinstance(entry, dict) for entry in listed)
    if content.get("schema_version") != SCHEMA_VERSION or not listed or not sound:
        raise NetworkError(
            f"The network catalogue {CATALOG_NAME} lists no network this version can use;"
            " restore it, or install KiView again if it came with it."
        )
    return list(listed)


def entry_card(
    folder: Path,
    entry: Mapping[str, Any],
    origin: Origin = Origin.SHIPPED,
    kinds: tuple[tuple[str, ...], ...] = MAP_KINDS,
) -> NetworkCard:
    """The card of one entry of a catalogue, after its hash was found to be right.

    Args:
        folder: Of the catalogue.
        entry: `id`, `card_sha256`, and `folder` where it is not named like the id.
        origin: Who put it there.
        kinds: Outputs that it may have.

    Raises:
        NetworkError: the card is missing, changed, of another network or another version.
    """
    network_id = str(entry.get("id", ""))
    path = folder / plain_name(str(entry.get("folder", network_id))) / CARD_NAME
    HashedFile(path, str(entry.get("card_sha256", ""))).read()
    card = read_card(path, origin, kinds)
    if card.id != network_id:
        raise NetworkError(
            f"The catalogue lists {network_id!r} but the card is that of {card.id!r}; correct the"
            " catalogue."
        )
    return card


def read_card(
    path: Path,
    origin: Origin = Origin.SHIPPED,
    kinds: tuple[tuple[str, ...], ...] = MAP_KINDS,
) -> NetworkCard:
    """Read one card; the files it names are checked when they are used, or by `verify`.

    Args:
        path: Of the card.
        origin: Who put it there.
        kinds: Outputs that it may have.

    Raises:
        NetworkError: the card is missing, incomplete or of another version.
    """
    content = read_toml(path)
    if content.get("schema_version") != SCHEMA_VERSION:
        raise NetworkError(f"The card of network {path.parent.name!r} has an unknown version.")
    if content.get("feature_version") != FEATURE_VERSION:
        raise NetworkError(
            f"The network {path.parent.name!r} was trained on other features than this version"
            " computes; use a matching network."
        )
    try:
        return _card(content, path.parent, origin, kinds)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NetworkError(
            f"The card of network {path.parent.name!r} is incomplete or wrong ({error}); put the"
            " original card back."
        ) from error


def verify(card: NetworkCard) -> None:
    """Check the hashes of every file of a network.

    Raises:
        NetworkError: a file is missing or was changed.
    """
    for file in card.files:
        file.read()


def _card(
    content: Mapping[str, Any], folder: Path, origin: Origin, kinds: tuple[tuple[str, ...], ...]
) -> NetworkCard:
    z, y, x = (within(float(d), VOXEL_LIMITS_MM) for d in content["voxel_mm"])
    return NetworkCard(
        id=matching(NAME, content["id"]),
        version=matching(VERSION, content["version"]),
        title=words(content["title"]),
        licence=words(content["licence"]),
        network=_file(folder, content["network"]),
        voxel_mm=(z, y, x),
        domain=read_domain(content["domain"]),
        slider=_slider(content["slider"], folder) if "slider" in content else None,
        tensors=_tensors(content["tensors"]),
        results={str(k): float(v) for k, v in content["results"].items()},
        outputs=output_names(content["outputs"], kinds),
        origin=origin,
        reach=card_reach(content),
    )


def _tensors(listed: list[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    specs = tuple(
        TensorSpec(words(t["name"]), tuple(int(n) for n in t["shape"]), int(t["offset"]))
        for t in listed
    )
    if len({spec.name for spec in specs}) < len(specs):
        raise ValueError("a weight is listed twice")
    return specs


def _slider(content: Mapping[str, Any], folder: Path) -> Slider:
    return Slider(
        smooth=_file(folder, content["smooth"]),
        sharp=_file(folder, content["sharp"]),
        shipped_position=within(float(content["shipped_position"]), (0.0, 1.0)),
        help=words(content["help"]),
    )


def _file(folder: Path, entry: Mapping[str, Any]) -> HashedFile:
    return HashedFile(folder / plain_name(str(entry["file"])), str(entry["sha256"]))
