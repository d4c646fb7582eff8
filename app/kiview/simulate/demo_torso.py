"""The fixed person of the demo study: same anatomy, tumours and constants every time."""

import numpy as np

from kiview.simulate.lesions import fixed_lesion
from kiview.simulate.phantom import Lesion, Phantom
from kiview.simulate.tissues import draw_all
from kiview.simulate.torso import DEMO_VARIATION, torso_parts, with_lesions

_SEED = 20221122
LARGE_LESION = 0
"""Index of the large liver tumour (36 mm, one known Ki), the one to check a Ki map with."""


def demo_torso() -> Phantom:
    """Torso with ten tumours of 8 to 36 mm, warm, hot, necrotic and cold."""
    rng = np.random.default_rng(_SEED)
    parts = torso_parts(rng, DEMO_VARIATION)
    tissues = draw_all(rng, spread=0.05, within=0.10)
    healthy = Phantom(tuple(parts), tissues, (), int(rng.integers(2**31)), "torso")
    return with_lesions(healthy, demo_lesions(), rng)


def demo_lesions() -> list[Lesion]:
    """Tumours of the demo person, largest first."""
    return [
        fixed_lesion(0, (-88.0, 14.0, -62.0), 36.0, "liver"),
        fixed_lesion(1, (84.0, 14.0, 98.0), 32.0, "warm"),
        fixed_lesion(2, (72.0, -36.0, -98.0), 30.0, "hot", necrotic=True),
        fixed_lesion(3, (-62.0, -38.0, -40.0), 24.0, "cold"),
        fixed_lesion(4, (1.0, 62.0, 20.0), 18.0, "warm"),
        fixed_lesion(5, (-122.0, 4.0, 150.0), 16.0, "warm"),
        fixed_lesion(6, (-72.0, -14.0, 92.0), 14.0, "hot"),
        fixed_lesion(7, (-20.0, 22.0, 92.0), 12.0, "liver"),
        fixed_lesion(8, (-38.0, -52.0, -78.0), 10.0, "hot"),
        fixed_lesion(9, (-104.0, 34.0, 58.0), 8.0, "hot"),
    ]
