"""How far a network looks in a plane, and what the sides of its input are multiples of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ALIGNMENTS = (4, 8, 16)
_LARGEST_HALO = 256


@dataclass(frozen=True, slots=True)
class Reach:
    """Of one network.

    Attributes:
        alignment: Sides of its input are multiples of this: 4, 8 or 16.
        halo: Voxels in a plane around a voxel that its value depends on, a multiple of `alignment`.
    """

    alignment: int
    halo: int

    def __post_init__(self) -> None:
        if self.alignment not in _ALIGNMENTS:
            raise ValueError(f"alignment {self.alignment} is none of 4, 8, 16")
        if not 0 < self.halo <= _LARGEST_HALO or self.halo % self.alignment:
            raise ValueError(
                f"halo {self.halo} is no multiple of {self.alignment} up to {_LARGEST_HALO}"
            )


THREE_LEVELS = Reach(4, 24)
"""Of a U-Net of three levels with kernels of 3 x 3, and of a card that does not say."""


def card_reach(content: Mapping[str, Any]) -> Reach:
    """What a card says.

    Raises:
        ValueError: it is out of limits.
        TypeError: it is no number.
    """
    alignment = content.get("alignment", THREE_LEVELS.alignment)
    halo = content.get("halo", THREE_LEVELS.halo)
    if type(alignment) is not int or type(halo) is not int:
        raise TypeError("alignment and halo are whole numbers")
    return Reach(alignment, halo)
