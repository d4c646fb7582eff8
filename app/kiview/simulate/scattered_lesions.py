"""Many tumours in a slab of a body: chosen organs, clean shells, contrast to the host.

`lesions.draw_lesions` throws tumours at random and keeps those that hit tissue; here the labels of
the slab are drawn once, hosts are chosen by weight, and a tumour's uptake follows from the host's.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kiview.core.errors import InvalidInputError
from kiview.simulate.lesions import LARGEST_MM, SMALLEST_MM
from kiview.simulate.phantom import Lesion, Phantom
from kiview.simulate.shapes import Grid, Point
from kiview.simulate.tissues import (
    LAST_LESION_LABEL,
    NECROSIS,
    TUMOUR_COLD,
    TUMOUR_HOT,
    TUMOUR_LIVER,
    TUMOUR_MODERATE,
    Label,
    Tissue,
    lesion_label,
)

_GRID_MM = 4.0
_HALF_WIDTH_MM = 300.0
_FAINTEST_KI, _HOTTEST_KI = 0.003, 0.12
"""A tumour takes up no less and no more than this, /min, whatever the contrast (design)."""
_LARGEST_TRAPPED = 0.6
"""k3 / (k2 + k3) of a tumour; beyond it K1 is raised instead."""
_FAINT_BELOW, _HOT_ABOVE = 3.0, 8.0
_NECROTIC_FROM_MM = 18.0
_TRIES_PER_LESION = 12
_GAP_MM = 4.0
_PLACES, _CANDIDATES, _SKIN_MM, _TINY_MM = 6, 16, 2.0, 1e-3
_DIRECTIONS = np.array(
    [d / np.linalg.norm(d) for d in np.array(list(np.ndindex(3, 3, 3))) - 1 if d.any()], dtype=float
)
"""(26, 3) unit vectors to the neighbours of a voxel."""

HOST_WEIGHTS: dict[Label, float] = {
    Label.LIVER: 5.0,
    Label.LUNG: 5.0,
    Label.SOFT: 3.0,
    Label.FAT: 3.0,
    Label.MARROW: 4.0,
    Label.BOWEL: 2.0,
    Label.MUSCLE: 1.5,
    Label.SPLEEN: 1.0,
    Label.KIDNEY: 0.7,
    Label.PANCREAS: 1.0,
    Label.STOMACH: 0.7,
    Label.WHITE_MATTER: 1.0,
    Label.GREY_MATTER: 1.0,
    Label.CEREBELLUM: 0.5,
    Label.THYROID: 0.5,
    Label.SALIVARY: 0.4,
    Label.BREAST: 1.5,
    Label.UTERUS: 0.8,
    Label.PROSTATE: 0.8,
    Label.BACKGROUND: 3.0,
}
"""How often a tumour is tried in each material that the slab holds (design); nodes lie in fat and
soft tissue."""
_COLD_HOSTS = frozenset(
    {Label.LIVER, Label.SPLEEN, Label.KIDNEY, Label.MARROW, Label.GREY_MATTER, Label.WHITE_MATTER,
     Label.CEREBELLUM, Label.BACKGROUND, Label.PANCREAS, Label.UTERUS, Label.THYROID}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LesionSettings:
    """Which tumours.

    Attributes:
        smallest_mm: Diameters are log-uniform from here ...
        largest_mm: ... to here, where they find room (in a full slab small ones do more often).
        contrast: Smallest and largest Ki over the host's, log-uniform.
        cold_share: Tumours with less uptake than the host, where the host is warm.
        necrotic_share: Warm tumours from 18 mm with a dead core.
        shell_mm: Width of the host's own tissue wanted around a tumour, where there is room.
        hosts: Weight of each material as host.

    Raises:
        InvalidInputError: a range is empty or not positive.
    """

    smallest_mm: float = SMALLEST_MM
    largest_mm: float = LARGEST_MM
    contrast: tuple[float, float] = (1.5, 20.0)
    cold_share: float = 0.25
    necrotic_share: float = 0.35
    shell_mm: float = 8.0
    hosts: dict[Label, float] = field(default_factory=lambda: dict(HOST_WEIGHTS))

    def __post_init__(self) -> None:
        diameters = 0 < self.smallest_mm <= self.largest_mm
        contrasts = 1 < self.contrast[0] <= self.contrast[1]
        if not (diameters and contrasts and self.hosts):
            raise InvalidInputError(
                f"Tumours of {self.smallest_mm:g} to {self.largest_mm:g} mm with a contrast of"
                f" {self.contrast[0]:g} to {self.contrast[1]:g} in {len(self.hosts)} materials"
                " can't be drawn; diameters must be positive, contrasts above 1, both in order."
            )


def scatter_lesions(
    rng: np.random.Generator,
    host: Phantom,
    count: int,
    z_range_mm: tuple[float, float],
    settings: LesionSettings | None = None,
) -> list[Lesion]:
    """Tumours that do not touch each other, centred in the given heights.

    Args:
        rng: Source of randomness.
        host: Healthy phantom.
        count: Wanted; fewer come back if there is no room.
        z_range_mm: Lowest and highest centre.
        settings: Sizes, contrasts, hosts; the defaults if None.

    Raises:
        InvalidInputError: more tumours than there are labels for.
    """
    if lesion_label(count) > LAST_LESION_LABEL:
        raise InvalidInputError(f"{count} tumours are too many; ask for 90 at most.")
    if count <= 0:
        return []
    settings = settings or LesionSettings()
    room = _Room.around(rng, host, z_range_mm, settings.hosts)
    found: list[Lesion] = []
    for _ in range(count * _TRIES_PER_LESION):
        if len(found) == count or not room.hosts:
            break
        lesion = _try(rng, host, room, found, settings)
        if lesion is not None:
            found.append(lesion)
    return found


@dataclass(frozen=True, slots=True)
class _Room:
    """Where tumours may be centred.

    Attributes:
        grid: Coarse grid of the slab and what is near it.
        labels: (z, y, x) on it.
        solid: (z, y, x) inside the body, holes filled.
        hosts: For each host: indices (n, 3) of its voxels in the range.
    """

    grid: Grid
    labels: NDArray[np.uint8]
    solid: NDArray[np.bool_]
    hosts: dict[Label, NDArray[np.intp]]

    @classmethod
    def around(
        cls,
        rng: np.random.Generator,
        host: Phantom,
        z_range_mm: tuple[float, float],
        weights: dict[Label, float],
    ) -> "_Room":
        """Draw the labels on a grid that begins anywhere, so that no place is preferred."""
        low, high = z_range_mm
        slices = 2 * int(np.ceil(0.5 * (high - low + LARGEST_MM) / _GRID_MM)) + 1
        pixels = int(2 * _HALF_WIDTH_MM / _GRID_MM)
        centred = Grid.centred(slices, pixels, (_GRID_MM, _GRID_MM), 0.5 * (low + high))
        z, y, x = np.asarray(centred.origin_zyx_mm) + rng.uniform(-0.5, 0.5, 3) * (
            min(_GRID_MM, high - low),
            _GRID_MM,
            _GRID_MM,
        )
        grid = Grid(centred.shape_zyx, centred.spacing_zyx_mm, (float(z), float(y), float(x)))
        labels = host.draw_labels(grid)
        solid = np.stack([ndimage.binary_fill_holes(plane) for plane in labels > 0])
        heights = grid.axis_mm(0)
        inside = np.flatnonzero((heights >= low - _TINY_MM) & (heights <= high + _TINY_MM))
        part, shift = labels[inside[0] : inside[-1] + 1], np.array([inside[0], 0, 0])
        indices = {label: np.argwhere(part == label) + shift for label in weights}
        return cls(grid, labels, solid, {k: v for k, v in indices.items() if len(v)})

    def position(self, index: NDArray[np.intp]) -> Point:
        z, y, x = (float(self.grid.axis_mm(a)[index[a]]) for a in range(3))
        return x, y, z

    def around_of(self, index: NDArray[np.intp], radius_mm: float) -> tuple[NDArray[np.intp], ...]:
        """Voxels on spheres around voxels (n, 3): three arrays (n, directions)."""
        offsets = np.rint(radius_mm / _GRID_MM * _DIRECTIONS).astype(int)
        points = index[:, None, :] + offsets
        top = np.asarray(self.labels.shape) - 1
        return tuple(np.clip(points, 0, top).transpose(2, 0, 1))


def _try(
    rng: np.random.Generator,
    host: Phantom,
    room: _Room,
    found: list[Lesion],
    settings: LesionSettings,
) -> Lesion | None:
    """A tumour of random size, tried in a few places so that large ones are not lost."""
    labels = list(room.hosts)
    weights = np.array([settings.hosts[x] for x in labels])
    spread = np.log(settings.largest_mm / settings.smallest_mm)
    diameter = float(settings.smallest_mm * np.exp(spread * rng.random()))
    for k in rng.choice(len(labels), _PLACES, p=weights / weights.sum()):
        index = _roomiest(rng, room, labels[k], (0.5 * diameter, settings.shell_mm))
        centre = room.position(index)
        beneath = room.solid[room.around_of(index[None], 0.5 * diameter + _SKIN_MM)].all()
        if beneath and _is_free(found, centre, diameter):
            return _grow(rng, host, len(found), (centre, diameter, labels[k]), settings)
    return None


def _roomiest(
    rng: np.random.Generator, room: _Room, label: Label, radius_and_shell_mm: tuple[float, float]
) -> NDArray[np.intp]:
    """Of some random voxels of a host, the one with most of the host around the tumour."""
    voxels = room.hosts[label]
    candidates = voxels[rng.integers(len(voxels), size=_CANDIDATES)]
    radius, shell = radius_and_shell_mm
    near, far = (
        (room.labels[room.around_of(candidates, r)] == label).mean(axis=1)
        for r in (radius, radius + shell)
    )
    return np.asarray(candidates[int(np.argmax(near + far))])


def _is_free(found: list[Lesion], centre: Point, diameter: float) -> bool:
    for other in found:
        distance = float(np.linalg.norm(np.subtract(centre, other.centre_lps_mm)))
        if distance < 0.6 * (diameter + other.diameter_mm) + _GAP_MM:
            return False
    return True


def _grow(
    rng: np.random.Generator,
    host: Phantom,
    index: int,
    place: tuple[Point, float, Label],
    settings: LesionSettings,
) -> Lesion:
    centre, diameter, label = place
    cold = bool(rng.random() < settings.cold_share) and label in _COLD_HOSTS
    necrotic = bool(rng.random() < settings.necrotic_share)
    host_ki = host.tissues[int(label)].first.ki
    if cold:
        centres = (TUMOUR_COLD, NECROSIS)
        tissue, kind = centres[int(rng.integers(2))].drawn(rng, 0.25), "cold"
    else:
        contrast = _draw_contrast(rng, host_ki, settings.contrast)
        tissue, kind = _tumour(rng, contrast * host_ki), _kind(contrast)
    necrotic = necrotic and not cold and diameter > _NECROTIC_FROM_MM
    return Lesion(lesion_label(index), centre, diameter, kind, necrotic, tissue, int(label))


def _draw_contrast(rng: np.random.Generator, host_ki: float, limits: tuple[float, float]) -> float:
    """Log-uniform between the limits, as far as the uptake stays that of a tumour."""
    low = max(limits[0], min(_FAINTEST_KI / host_ki, limits[1]))
    high = max(low, min(limits[1], _HOTTEST_KI / host_ki))
    return float(low * np.exp(np.log(high / low) * rng.random()))


def _kind(contrast: float) -> str:
    if contrast < _FAINT_BELOW:
        return "faint"
    return "hot" if contrast > _HOT_ABOVE else "warm"


def _tumour(rng: np.random.Generator, ki: float) -> Tissue:
    """Tumour constants with this Ki: k3 follows, or K1 where too much would be trapped."""
    centres = (TUMOUR_MODERATE, TUMOUR_LIVER, TUMOUR_HOT)
    centre = centres[int(rng.integers(len(centres)))].drawn(rng, 0.25)
    unblocked = 1 - centre.blood_fraction
    k1 = max(centre.k1, ki / (unblocked * _LARGEST_TRAPPED))
    trapped = ki / (unblocked * k1)
    return replace(centre, k1=float(k1), k3=float(centre.k2 * trapped / (1 - trapped)))
