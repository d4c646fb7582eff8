"""From a configuration to a network with its first weights."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from kitrain.config import ConfigError, InitialConfig, Initialisation, NetworkConfig
from kitrain.network import KiNetwork, reach_of
from kiview.nets.catalog import load_catalog
from kiview.nets.weights import shipped_weights

MODELS = Path(__file__).resolve().parents[2]
"""The networks that come with the training code."""


_HEAD = ("head.weight", "head.bias")
_FIRST = ".layers.0.weight"
CALIBRATION = "calibration."
"""What the names of the weights of a calibration begin with."""
_CALIBRATION_SIZE = "calibration.layers.0.bias"


def build_network(size: NetworkConfig, calibration: int = 0) -> KiNetwork:
    """A network of the size that was asked for, with its own first weights.

    Args:
        size: Of the network.
        calibration: Hidden channels of its calibration, which is made after the training.
    """
    return KiNetwork(size.width, size.with_sigma, calibration, size.levels, size.kernel)


def new_network(size: NetworkConfig, seed: int, initial: InitialConfig | None = None) -> KiNetwork:
    """A network with the first weights of a seed, the same on every device.

    Args:
        size: Of the network.
        seed: Of the draw.
        initial: How weights begin; None for the network's own start.

    Raises:
        NetworkError: the network to go on with is not there.
        ConfigError: its layers are not those that were asked for.
    """
    torch.manual_seed(seed)
    network = build_network(size)
    if initial is None:
        return network
    if initial.kind is Initialisation.NETWORK:
        go_on_with(network, initial.network, MODELS)
    else:
        initialise(network, initial)
    return network


def go_on_with(network: KiNetwork, known_id: str, models: Path) -> None:
    """Take the weights of a network as it is shipped; an output it lacks begins at nothing.

    Its calibration is left out: another network has other errors.

    Args:
        network: Gets them.
        known_id: Id in the catalogue of `models`.
        models: Folder of networks.

    Raises:
        NetworkError: it is not there or was changed.
        ConfigError: its layers are others.
    """
    card = load_catalog(models).card(known_id)
    known = {n: torch.from_numpy(t.copy()) for n, t in shipped_weights(card).tensors(card).items()}
    known = {n: tensor for n, tensor in known.items() if not n.startswith(CALIBRATION)}
    wanted = network.state_dict()
    theirs, ours = size_of(known), size_of(wanted)
    if theirs not in (ours, replace(ours, with_sigma=False)):
        raise ConfigError(
            f"The network {known_id!r} has other layers ({_layers(theirs)}) than the configuration"
            f" asks for ({_layers(ours)}); name another one or change [network]."
        )
    for name in _HEAD:
        missing = len(wanted[name]) - len(known.get(name, wanted[name]))
        if missing > 0:
            known[name] = torch.cat([known[name], torch.zeros_like(wanted[name][:missing])])
    network.load_state_dict(known)


def _layers(size: NetworkConfig) -> str:
    told = f"width {size.width}, levels {size.levels}, kernel {size.kernel}"
    return f"{told}, sigma" if size.with_sigma else told


def size_of(weights: Mapping[str, Tensor]) -> NetworkConfig:
    """The size of the network that weights belong to."""
    outputs, width = weights["head.weight"].shape[:2]
    levels = 1 + sum(name.startswith("encoder") for name in weights if name.endswith(_FIRST))
    kernel = weights["encoder0" + _FIRST].shape[-1]
    return NetworkConfig(width, levels, kernel, with_sigma=outputs > 2)


def reach_table(size: NetworkConfig) -> dict[str, int]:
    """What a card says of how far a network looks."""
    return asdict(reach_of(size.levels, size.kernel))


def network_with(weights: dict[str, Tensor]) -> KiNetwork:
    """A network on the processor with given weights; they tell its size."""
    return loaded_network(weights, size_of(weights))


def loaded_network(weights: dict[str, Tensor], size: NetworkConfig) -> KiNetwork:
    """A network of a given size on the processor with given weights, calibrated if they are."""
    calibration = len(weights[_CALIBRATION_SIZE]) if _CALIBRATION_SIZE in weights else 0
    network = build_network(size, calibration)
    network.load_state_dict(weights)
    return network.eval()


def initialise(network: nn.Module, config: InitialConfig) -> None:
    """Replace the weights of a network, drawn from torch's global generator.

    `kaiming` keeps the network's own start (He et al. 2015, as torch has it). `xavier` sets biases
    to 0 (Glorot and Bengio 2010); `uniform`, `gaussian` and `constant` treat biases like weights.
    """
    if config.kind is Initialisation.KAIMING:
        return
    for parameter in network.parameters():
        with torch.no_grad():
            _fill(parameter, config)


def _fill(parameter: Tensor, config: InitialConfig) -> None:
    if config.kind is Initialisation.UNIFORM:
        parameter.uniform_(-config.spread, config.spread)
    elif config.kind is Initialisation.GAUSSIAN:
        parameter.normal_(0.0, config.spread)
    elif config.kind is Initialisation.CONSTANT:
        parameter.fill_(config.value)
    elif parameter.ndim > 1:
        nn.init.xavier_uniform_(parameter, gain=config.spread)
    else:
        parameter.zero_()
