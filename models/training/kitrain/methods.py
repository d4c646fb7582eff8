"""Every way to make a Ki map that is judged: filters, references, networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kitrain.baselines import (
    GUIDE_WIDTHS_MM,
    WIDTHS_2D_MM,
    WIDTHS_3D_MM,
    Method,
    direct,
    filtered_patlak,
    guided_patlak,
)
from kitrain.groups import Volume
from kitrain.metrics import nrmse
from kitrain.network import combine
from kitrain.records import GroupRecord
from kitrain.scored import scored_voxels
from kitrain.simulated import DIRECT_HIGH
from kitrain.train import network_outputs, network_with
from kiview.nets.doubt import leave_vessels, less_where_unsure
from kiview.nets.infer import doubt_in
from kiview.nets.tie import (
    DENY_SIGMAS,
    KEEP_SIGMAS,
    follow_patlak,
    make_consistent,
    patlak_reference,
    tie_to_patlak,
)

NETWORK, SHIPPED, CONTROL = "network", "network + consistency", "control: learned part zeroed"
PATLAK_5, PATLAK_8, DIRECT, DIRECT_8 = (
    "Patlak, 2-D 5 mm",
    "Patlak, 3-D 8 mm",
    "4-D direct",
    "4-D direct + 3-D 8 mm",
)
DIRECT_MORE = "4-D direct, 5 x counts"
_NEVER = 100.0
UNSURE_LIKE_SURE = "the program's, but as much asked for where the network is unsure"
VESSELS_KEPT = "the program's, but what may be a vessel kept"
TRADEOFF_SIGMAS = (
    (_NEVER, DENY_SIGMAS),
    (2.0, DENY_SIGMAS),
    (KEEP_SIGMAS, _NEVER),
    (KEEP_SIGMAS, 3.0),
    (KEEP_SIGMAS, DENY_SIGMAS),
    (KEEP_SIGMAS, 1.5),
    (0.75, DENY_SIGMAS),
    (0.6, DENY_SIGMAS),
    (0.5, DENY_SIGMAS),
)
"""Standard deviations of Patlak beyond which its excess is kept, and that of the map denied."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a method made of one scan.

    Attributes:
        ki: (z, y, x) /min, in the scale of the group's curve.
        v: Same grid, V0 <C>/<S>, /min, where the method gives one.
        sigma: Same grid, its own standard deviation of Ki, /min, where it gives one.
    """

    ki: Volume
    v: Volume | None = None
    sigma: Volume | None = None


Family = Callable[[GroupRecord, int], dict[str, Made]]
"""Several methods that share work: record and realisation -> maps by name."""


def plain(name: str, method: Method) -> Family:
    """A method of its own."""
    return lambda record, realisation: {name: Made(method(record, realisation))}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Filters with the lowest NRMSE on validation people.

    Attributes:
        in_plane_mm: Gaussian on Patlak, two dimensions.
        whole_mm: Gaussian on Patlak, three dimensions.
        guided_mm: HYPR-like, three dimensions.
    """

    in_plane_mm: float
    whole_mm: float
    guided_mm: float

    @property
    def rivals(self) -> dict[str, Method]:
        """The chosen filters by name."""
        flat, whole = self.in_plane_mm, self.whole_mm
        return {
            f"Patlak, 2-D {flat:g} mm": filtered_patlak((0.0, flat, flat)),
            f"Patlak, 3-D {whole:g} mm": filtered_patlak((whole,) * 3),
            f"HYPR-like, 3-D {self.guided_mm:g} mm": guided_patlak(self.guided_mm),
        }


def choose_filters(records: Sequence[GroupRecord]) -> Chosen:
    """Widths with the lowest mean NRMSE to truth."""

    def best(widths: Sequence[float], method: Callable[[float], Method]) -> float:
        return min(widths, key=lambda w: _mean_nrmse(method(w), records))

    return Chosen(
        best(WIDTHS_2D_MM, lambda w: filtered_patlak((0.0, w, w))),
        best(WIDTHS_3D_MM, lambda w: filtered_patlak((w,) * 3)),
        best(GUIDE_WIDTHS_MM, guided_patlak),
    )


def _mean_nrmse(method: Method, records: Sequence[GroupRecord]) -> float:
    found = [
        nrmse(method(record, r), record.ki * record.target_scale, scored_voxels(record))
        for record in records
        for r in range(len(record.features))
    ]
    return float(np.mean(found))


def conventional(chosen: Chosen) -> list[Family]:
    """What a network is compared with: fixed and chosen filters, the direct references."""
    methods = {
        PATLAK_5: filtered_patlak((0.0, 5.0, 5.0)),
        PATLAK_8: filtered_patlak((8.0,) * 3),
        **chosen.rivals,
        DIRECT: direct(0.0),
        DIRECT_8: direct(8.0),
    }
    return [*(plain(name, method) for name, method in methods.items()), _more_counts]


def _more_counts(record: GroupRecord, realisation: int) -> dict[str, Made]:
    """The 4-D direct image of a scan with more counts, where the group holds one."""
    if DIRECT_HIGH not in record.references:
        return {}
    ki = record.reference(DIRECT_HIGH).ki[realisation] * np.float32(record.target_scale)
    return {DIRECT_MORE: Made(ki)}


def network_family(weights: Mapping[str, Tensor], name: str = NETWORK) -> Family:
    """A network as it is, and as the program ships its map."""
    network = network_with(dict(weights))
    shipped = shipped_name(name)

    def apply(record: GroupRecord, realisation: int) -> dict[str, Made]:
        study = record.study(realisation)
        given = network_outputs(network, study)
        patlak, fur = record.patlak_ki(realisation), record.fur(realisation)
        reference = patlak_reference(patlak, fur, study.normaliser, record.spacing_mm)
        found = make_consistent(given.ki, doubt_in(given), reference)
        alone = Made(given.ki, given.v, given.sigma)
        return {name: alone, shipped: Made(found.ki, given.v, found.sigma)}

    return apply


def shipped_name(name: str) -> str:
    """Of the map of a network as the program ships it."""
    return SHIPPED if name == NETWORK else f"{name} + consistency"


def tradeoff_family(weights: Mapping[str, Tensor]) -> Family:
    """A network with more and with less following of what Patlak significantly shows."""
    network = network_with(dict(weights))

    def apply(record: GroupRecord, realisation: int) -> dict[str, Made]:
        study = record.study(realisation)
        given = network_outputs(network, study)
        ki, doubt = given.ki, doubt_in(given)
        patlak, fur = record.patlak_ki(realisation), record.fur(realisation)
        reference = patlak_reference(patlak, fur, study.normaliser, record.spacing_mm)
        tied, _ = tie_to_patlak(ki, patlak, study.normaliser, record.spacing_mm)
        found = {"as it is": Made(ki), "scaled at 30 mm": Made(tied)}
        near, noise = reference.near, reference.noise
        for keep, deny in TRADEOFF_SIGMAS:
            asked = keep if doubt is None else less_where_unsure(keep, doubt)
            shown = follow_patlak(tied, reference, asked, deny)
            if doubt is not None:
                shown = leave_vessels(shown, doubt.vessel, near, noise)
            found[f"{_beyond('kept', keep)}, {_beyond('denied', deny)}"] = Made(shown)
        if doubt is not None:
            alike = follow_patlak(tied, reference)
            asked = less_where_unsure(KEEP_SIGMAS, doubt)
            found[UNSURE_LIKE_SURE] = Made(leave_vessels(alike, doubt.vessel, near, noise))
            found[VESSELS_KEPT] = Made(follow_patlak(tied, reference, asked))
        return found

    return apply


def _beyond(what: str, sigmas: float) -> str:
    return f"{what} beyond {sigmas:g} sigma" if sigmas < _NEVER else f"nothing {what}"


def control_family() -> Family:
    """The head alone: everything learned is zero. It has to be worse than the network."""

    def apply(record: GroupRecord, realisation: int) -> dict[str, Made]:
        study = record.study(realisation)
        features = torch.from_numpy(study.block(0, study.values.shape[1]))
        shape = (features.shape[0], 2, *features.shape[2:])
        ki, _ = combine(features, torch.zeros(shape))
        values: Volume = ki.numpy() * np.float32(study.normaliser)
        return {CONTROL: Made(values)}

    return apply
