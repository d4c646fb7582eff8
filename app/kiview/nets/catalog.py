"""Which networks exist, what their cards say, and whether their files are what was shipped."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiview.core.errors import NetworkError
from kiview.nets.preprocess import FEATURE_VERSION

CATALOG_NAME = "catalog.toml"
CARD_NAME = "card.toml"
SCHEMA_VERSION = 1
SIGMA = "sigma"
"""Output of a network that tells its uncertainty: standard deviation of Ki / n."""
MAP_OUTPUTS = ("ki", "v")
"""Outputs of every network: Ki / n and V / n."""


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A bundled file with the hash it must have.

    Attributes:
        path: Where it is.
        sha256: Hexadecimal digest of its content.
    """

    path: Path
    sha256: str

    def read(self) -> bytes:
        """Content, after the hash was found to be right.

        Raises:
            NetworkError: the file is missing or was changed.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise NetworkError(
                f"The network file {self.path.name} cannot be read ({error.strerror});"
                " install KiView again to restore it."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise NetworkError(
                f"The network file {self.path.name} was changed or is damaged: its checksum is not"
                " the one on its card. Install KiView again to restore it."
            )
        return content


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
class Domain:
    """What a network was trained on; each pair is (lowest, highest).

    Attributes:
        tracers: Names of tracers.
        region: Part of the body.
        half_life_s: Of the radionuclide.
        frame_count: Number of frames used.
        start_min: Start of the first frame after injection.
        end_min: End of the last frame.
        frame_length_min: Length of a frame.
        noise_gain: g of the protocol, how much noisier Ki is than the uptake ratio.
        source_voxel_mm: Voxel spacing of the frames before resampling.
    """

    tracers: tuple[str, ...]
    region: str
    half_life_s: float
    frame_count: tuple[float, float]
    start_min: tuple[float, float]
    end_min: tuple[float, float]
    frame_length_min: tuple[float, float]
    noise_gain: tuple[float, float]
    source_voxel_mm: tuple[float, float]


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
        outputs: Names of its outputs: `ki`, `v`, and `sigma` where it tells its uncertainty.
        results: Scores on held-out phantoms by name.
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
class Catalog:
    """Bundled networks.

    Attributes:
        cards: In the order of the catalogue; the first is the default.
    """

    cards: tuple[NetworkCard, ...]

    @property
    def default(self) -> NetworkCard:
        """The network used unless another is chosen."""
        return self.cards[0]

    def card(self, network_id: str) -> NetworkCard:
        """The card of a network.

        Raises:
            NetworkError: there is no such network.
        """
        for card in self.cards:
            if card.id == network_id:
                return card
        known = ", ".join(card.id for card in self.cards)
        raise NetworkError(f"There is no network {network_id!r}; KiView has {known}.")


def load_catalog(models_dir: Path) -> Catalog:
    """Read the catalogue and the cards it lists; checks the hashes of the cards.

    Args:
        models_dir: Folder of `catalog.toml`, for example `kiview.paths.models_dir()`.

    Raises:
        NetworkError: the catalogue or a card is missing, changed or of another version.
    """
    content = _toml(models_dir / CATALOG_NAME)
    entries = content.get("network", [])
    if content.get("schema_version") != SCHEMA_VERSION or not entries:
        raise NetworkError(
            f"The network catalogue {CATALOG_NAME} lists no network this version can use;"
            " install KiView again."
        )
    cards = []
    for entry in entries:
        path = models_dir / _plain_name(str(entry["id"])) / CARD_NAME
        HashedFile(path, str(entry["card_sha256"])).read()
        cards.append(read_card(path))
    return Catalog(tuple(cards))


def read_card(path: Path) -> NetworkCard:
    """Read one card; the files it names are checked when they are used, or by `verify`.

    Raises:
        NetworkError: the card is missing, incomplete or of another version.
    """
    content = _toml(path)
    if content.get("schema_version") != SCHEMA_VERSION:
        raise NetworkError(f"The card of network {path.parent.name!r} has an unknown version.")
    if content.get("feature_version") != FEATURE_VERSION:
        raise NetworkError(
            f"The network {path.parent.name!r} was trained on other features than this version"
            " computes; use a matching network."
        )
    try:
        return _card(content, path.parent)
    except (KeyError, TypeError, ValueError) as error:
        raise NetworkError(
            f"The card of network {path.parent.name!r} is incomplete ({error}); install KiView"
            " again to restore it."
        ) from error


def verify(card: NetworkCard) -> None:
    """Check the hashes of every file of a network.

    Raises:
        NetworkError: a file is missing or was changed.
    """
    for file in card.files:
        file.read()


def _card(content: Mapping[str, Any], folder: Path) -> NetworkCard:
    domain = content["domain"]
    z, y, x = (float(d) for d in content["voxel_mm"])
    return NetworkCard(
        id=str(content["id"]),
        version=str(content["version"]),
        title=str(content["title"]),
        licence=str(content["licence"]),
        network=_file(folder, content["network"]),
        voxel_mm=(z, y, x),
        domain=Domain(
            tracers=tuple(domain["tracers"]),
            region=str(domain["region"]),
            half_life_s=float(domain["half_life_s"]),
            frame_count=_pair(domain["frame_count"]),
            start_min=_pair(domain["start_min"]),
            end_min=_pair(domain["end_min"]),
            frame_length_min=_pair(domain["frame_length_min"]),
            noise_gain=_pair(domain["noise_gain"]),
            source_voxel_mm=_pair(domain["source_voxel_mm"]),
        ),
        slider=_slider(content["slider"], folder) if "slider" in content else None,
        tensors=tuple(
            TensorSpec(t["name"], tuple(t["shape"]), int(t["offset"])) for t in content["tensors"]
        ),
        results={str(k): float(v) for k, v in content["results"].items()},
        outputs=_outputs(content["outputs"]),
    )


def _outputs(entries: list[Mapping[str, Any]]) -> tuple[str, ...]:
    names = tuple(str(entry["name"]) for entry in entries)
    if names not in (MAP_OUTPUTS, (*MAP_OUTPUTS, SIGMA)):
        raise ValueError(f"outputs {', '.join(names)} are not ki, v and perhaps sigma")
    return names


def _slider(content: Mapping[str, Any], folder: Path) -> Slider:
    return Slider(
        smooth=_file(folder, content["smooth"]),
        sharp=_file(folder, content["sharp"]),
        shipped_position=float(content["shipped_position"]),
        help=str(content["help"]),
    )


def _file(folder: Path, entry: Mapping[str, Any]) -> HashedFile:
    return HashedFile(folder / _plain_name(str(entry["file"])), str(entry["sha256"]))


def _plain_name(name: str) -> str:
    if name != Path(name).name or name in {"", ".", ".."}:
        raise NetworkError(f"The network file name {name!r} leaves its folder; it is not used.")
    return name


def _pair(values: Any) -> tuple[float, float]:  # noqa: ANN401 - straight from a TOML file
    low, high = (float(v) for v in values)
    return low, high


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"The file {path.name} of the bundled networks cannot be read ({error}); install"
            " KiView again to restore it."
        ) from error
