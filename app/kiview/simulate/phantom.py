"""A phantom: shapes painted in order, each with tissue constants, and what they are on a grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.simulate.shapes import Grid, Point, Shape, axes_in, box_on
from kiview.simulate.tissues import FIRST_LESION_LABEL, Tissue, TissuePair

MIXTURE_CELL_MM = 28.0
"""Distance between the knots of the smooth field that mixes two constant sets in an organ."""


@dataclass(frozen=True, slots=True)
class Part:
    """One painted shape; a later part overwrites an earlier one.

    Attributes:
        label: Material, a `Label` or a lesion label.
        shape: Where it is.
        only_over: Paint only over these labels; everything if empty.
        name: For people.
    """

    label: int
    shape: Shape
    only_over: tuple[int, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One tumour of known constants.

    Attributes:
        label: Of its rim or whole; the core, if any, has label + 1.
        centre_lps_mm: x, y, z.
        diameter_mm: Mean diameter.
        kind: "faint", "warm", "hot", "liver", "cold".
        necrotic: Whether it has a dead core.
        tissue: Constants of the living part.
        host: Label that it grows in.
    """

    label: int
    centre_lps_mm: Point
    diameter_mm: float
    kind: str
    necrotic: bool
    tissue: Tissue
    host: int

    @property
    def ki(self) -> float:
        """Ki of the living part, mL/min/mL."""
        return self.tissue.ki


@dataclass(frozen=True, slots=True)
class Drawing:
    """A phantom on a grid.

    Attributes:
        grid: Where.
        labels: (z, y, x) uint8.
        mixture: (z, y, x) float32, 0 to 1: share of the second constant set.
    """

    grid: Grid
    labels: NDArray[np.uint8]
    mixture: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Phantom:
    """Analytic phantom.

    Attributes:
        parts: Painted first to last on air.
        tissues: Constants of every label used.
        lesions: Tumours, in order.
        mixture_seed: Of the smooth field inside the organs.
        kind: "body", "torso", "brain", "uniform", "nema" or "insert".
    """

    parts: tuple[Part, ...]
    tissues: dict[int, TissuePair]
    lesions: tuple[Lesion, ...]
    mixture_seed: int
    kind: str

    def draw(self, grid: Grid) -> Drawing:
        """Paint on a grid; the centre of a voxel decides what it is made of."""
        return Drawing(grid, self.draw_labels(grid), self._mixture(grid))

    def draw_labels(self, grid: Grid) -> NDArray[np.uint8]:
        """Labels (z, y, x) on a grid."""
        labels = np.zeros(grid.shape_zyx, dtype=np.uint8)
        for part in self.parts:
            box = box_on(grid, part.shape)
            if box is None:
                continue
            inside = part.shape.contains(axes_in(grid, box))
            target = labels[box]
            if part.only_over:
                inside = inside & _lookup(part.only_over)[target]
            np.copyto(target, np.uint8(part.label), where=inside)
        return labels

    def label_at(self, position: Point) -> int:
        """Label at one position (x, y, z) in mm."""
        x, y, z = position
        return int(self.draw_labels(Grid((1, 1, 1), (1.0, 1.0, 1.0), (z, y, x)))[0, 0, 0])

    def _mixture(self, grid: Grid) -> NDArray[np.float32]:
        """Smooth field 0 to 1, fixed in space by the seed so that every grid shows the same one."""
        rng = np.random.default_rng(self.mixture_seed)
        knots = rng.standard_normal((40, 24, 24)).astype(np.float32)
        z, y, x = (_interpolation(grid.axis_mm(a), knots.shape[a]) for a in range(3))
        plane = np.einsum("zk,kji->zji", z, knots, optimize=True)
        field = np.matmul(np.matmul(y, plane), x.T)
        return np.asarray(np.clip(0.5 + 0.45 * field, 0, 1), dtype=np.float32)

    def map_of(
        self, drawing: Drawing, first: NDArray[np.float64], second: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Values per label mixed into a map.

        Args:
            drawing: Labels and mixture.
            first: (256,) value of the first constant set by label.
            second: (256,) same for the second set.

        Returns:
            (z, y, x) float32.
        """
        start, change = first.astype(np.float32), (second - first).astype(np.float32)
        values: NDArray[np.float32] = change[drawing.labels]
        values *= drawing.mixture
        values += start[drawing.labels]
        return values

    def property_tables(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A property of `Tissue` by label for both constant sets, each (256,)."""
        first, second = np.zeros(256), np.zeros(256)
        for label, pair in self.tissues.items():
            first[label] = getattr(pair.first, name)
            second[label] = getattr(pair.second, name)
        return first, second

    def truth(self, drawing: Drawing, name: str) -> NDArray[np.float32]:
        """Map of a property of `Tissue` ("ki", "v0", "attenuation_per_mm"), (z, y, x)."""
        return self.map_of(drawing, *self.property_tables(name))


def lesion_index(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lesion number (1, 2, ...) of each voxel, 0 outside lesions; cores count as their lesion."""
    number = (labels.astype(np.int16) - FIRST_LESION_LABEL) // 2 + 1
    return np.maximum(number, 0).astype(np.uint8)


def _lookup(labels: tuple[int, ...]) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=bool)
    table[list(labels)] = True
    return table


def _interpolation(position_mm: NDArray[np.float32], knots: int) -> NDArray[np.float32]:
    """(n, knots) smooth (quadratic B-spline) weights, periodic, scaled to keep unit variance."""
    offset = position_mm / MIXTURE_CELL_MM + knots / 2
    nearest = np.rint(offset)
    t = offset - nearest
    weights = np.stack([0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2], axis=1)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    matrix = np.zeros((position_mm.size, knots), dtype=np.float32)
    rows = np.arange(position_mm.size)
    for k in range(3):
        np.add.at(matrix, (rows, (nearest.astype(int) + k - 1) % knots), weights[:, k])
    return matrix
