"""How the frames of a scan are reconstructed: OSEM, MLEM or filtered back projection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from kiview.core.errors import InvalidInputError
from kiview.simulate.fbp import fbp
from kiview.simulate.recon import Floats, Sinograms, System, osem

Reconstruction = Literal["osem", "mlem", "fbp"]


@dataclass(frozen=True, slots=True)
class FrameMethod:
    """A reconstruction of frames, ready to run.

    Attributes:
        kind: Which.
        system: Projector; of MLEM with one subset.
        passes: Over all data; not used by FBP.
    """

    kind: Reconstruction
    system: System
    passes: int

    @classmethod
    def build(cls, kind: Reconstruction, system: System, iterations: int) -> "FrameMethod":
        """The method for a projector with subsets.

        MLEM makes as many updates as OSEM with those subsets, so that both are equally far; each
        costs as much as a pass of OSEM. FBP has no iterations, no support and negative values.
        """
        if kind == "mlem":
            whole = System.build(system.geometry, system.support, 1)
            return cls(kind, whole, iterations * len(system.subsets))
        return cls(kind, system, iterations)

    @property
    def updates(self) -> int:
        """How often `frames` calls back."""
        return 1 if self.kind == "fbp" else self.passes * len(self.system.subsets)

    def frames(self, data: Sinograms, after_update: Callable[[], None]) -> Floats:
        """Every frame and slice by itself, (t, z, y, x) activity.

        Args:
            data: z slices, t frames.
            after_update: Called after each update (progress, cancel).
        """
        if self.kind != "fbp":
            return osem(self.system, data, self.passes, after_update)
        images = fbp(self.system.geometry, data)
        after_update()
        return images


def check_reconstruction(name: str) -> None:
    """Refuse a reconstruction that isn't one.

    Raises:
        InvalidInputError: the name is unknown.
    """
    known = get_args(Reconstruction)
    if name not in known:
        raise InvalidInputError(
            f"{name!r} is no reconstruction of frames; choose {', '.join(known)}."
        )
