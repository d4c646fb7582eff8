"""What a calibration learns from: voxels of every tissue of people who trained nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kitrain.groups import Volume
from kitrain.network import KiNetwork
from kitrain.records import GroupRecord
from kitrain.scored import scored_voxels
from kitrain.scores import ALL, tissues_of
from kiview.nets.infer import doubt_in
from kiview.nets.preprocess import FUR_CHANNEL
from kiview.nets.runtime import NetworkOutputs
from kiview.nets.tie import make_consistent, patlak_reference

_MOST_VOXELS, _MOST_OF_ALL = 500, 2500
Key = tuple[str, str]
"""Kind of scan, tissue."""


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """Some voxels of a tissue, everything but `seen` in units of the normaliser.

    Attributes:
        seen: (n, width) of the last hidden layer.
        told: (n, 4) Ki, V, standard deviation and uptake ratio, as `Calibration` takes them.
        spread: (n,) standard deviation of the consistent map before calibration.
        error: (n,) how far that map is off.
    """

    seen: NDArray[np.float16]
    told: Volume
    spread: Volume
    error: Volume

    def __len__(self) -> int:
        return len(self.error)


def voxels_of(network: KiNetwork, record: GroupRecord, seed: int) -> dict[str, Voxels]:
    """Voxels of a scan by tissue, and of the whole body; at most so many of each, drawn anew.

    Args:
        network: As shipped, not calibrated.
        record: The scan; its first realisation.
        seed: Of the draw.
    """
    study, rng = record.study(0), np.random.default_rng(seed)
    features = torch.from_numpy(study.block(0, study.values.shape[1]))
    with torch.inference_mode():
        seen = network.seen(features).numpy()
        parts = [part.numpy() for part in network.maps(features, torch.from_numpy(seen))]
    given, n = NetworkOutputs(*parts).times(study.normaliser), np.float32(study.normaliser)
    reference = patlak_reference(
        record.patlak_ki(0), record.fur(0), study.normaliser, record.spacing_mm
    )
    found = make_consistent(given.ki, doubt_in(given), reference)
    if found.sigma is None:
        raise ValueError("A network without a standard deviation cannot be calibrated.")
    told = np.stack([*parts, features[:, FUR_CHANNEL].numpy()], axis=-1)
    spread, error = found.sigma / n, np.abs(found.ki - record.ki * record.target_scale) / n
    chosen = {}
    for name, mask in tissues_of(record, scored_voxels(record)):
        where = np.argwhere(mask)
        most = _MOST_OF_ALL if name == ALL else _MOST_VOXELS
        z, y, x = rng.permutation(where)[:most].T
        chosen[name] = Voxels(
            seen[z, :, y, x].astype(np.float16), told[z, y, x], spread[z, y, x], error[z, y, x]
        )
    return chosen


def gathered(scans: Iterable[tuple[str, Mapping[str, Voxels]]]) -> dict[Key, Voxels]:
    """Voxels of several scans by kind of scan and tissue.

    Args:
        scans: Kind and `voxels_of` each.
    """
    parts: dict[Key, list[Voxels]] = defaultdict(list)
    for kind, tissues in scans:
        for tissue, voxels in tissues.items():
            parts[kind, tissue].append(voxels)
    return {key: _joined(several) for key, several in sorted(parts.items())}


def _joined(several: Sequence[Voxels]) -> Voxels:
    fields = Voxels.__dataclass_fields__
    return Voxels(*(np.concatenate([getattr(one, name) for one in several]) for name in fields))
