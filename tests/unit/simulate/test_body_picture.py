"""A coronal picture of one person, kept as text: a change of anatomy shows in the diff.

`python -m tests.unit.simulate.test_body_picture` draws it again; look at it before committing.
"""

from pathlib import Path

import numpy as np

from kiview.simulate.body import body_parts
from kiview.simulate.person import PersonSettings
from kiview.simulate.phantom import Phantom
from kiview.simulate.physique import physique_of
from kiview.simulate.shapes import Grid

PICTURE = Path(__file__).with_name("body_coronal.txt")
SYMBOLS = ".abcdefghijklmnopqrstuvwxyzABCD"
"""Air, then the labels in their order: a fat, b muscle, d lung, e blood, g liver ..."""
MM, Y_MM = 8.0, 6.0


def coronal() -> list[str]:
    """Labels of a coronal plane, head first, right side of the patient on the left."""
    person = PersonSettings("female", 68, 1.66, "down")
    parts = body_parts(np.random.default_rng(6), physique_of(person))
    grid = Grid((132, 1, 64), (MM, MM, MM), (-570.0, Y_MM, -252.0))
    labels = Phantom(tuple(parts), {}, (), 0, "body").draw_labels(grid)[::-1, 0]
    return ["".join(SYMBOLS[label] for label in row).rstrip(".") for row in labels]


def test_that_a_person_looks_as_in_the_picture():
    """Rounding may move a voxel's centre across a surface: 0.5 % may differ."""
    expected = PICTURE.read_text(encoding="utf-8").splitlines()
    found = coronal()
    assert len(found) == len(expected)
    pairs = [
        (a, b)
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one.ljust(64, "."), other.ljust(64, "."), strict=True)
    ]
    assert sum(a != b for a, b in pairs) <= 0.005 * sum(b != "." for _, b in pairs)


if __name__ == "__main__":
    PICTURE.write_text("\n".join(coronal()) + "\n", encoding="utf-8")
