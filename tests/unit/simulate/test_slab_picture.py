"""Pictures of one scan kept as text: sinogram, last frame, direct Ki and true Ki of a thorax.

`python -m tests.unit.simulate.test_slab_picture` draws them again; look at them before committing.
A digit is a tenth of the brightest value of its picture. Noise of neighbouring slices of this scan
correlates as `test_scanner_errors` states.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kiview.simulate import acquisition
from kiview.simulate.slab import expected_counts_of, simulate_slab
from kiview.simulate.slab_person import draw_slab_person
from kiview.simulate.slab_recipes import standard_config

PICTURE = Path(__file__).with_name("slab_pictures.txt")
SEED = 21
CONFIG = replace(
    standard_config(), region="thorax", slices=3, pixels=64, pixel_mm=8.0, angles=64, lesions=6
)


def coarse(image, factor):
    """Mean of square blocks."""
    rows, columns = (n // factor for n in image.shape)
    return image.reshape(rows, factor, columns, factor).mean(axis=(1, 3))


def drawn(image):
    """Digits 0 to 9, dots for 0, the brightest value being 9."""
    levels = np.clip(np.rint(9 * image / image.max()), 0, 9).astype(int)
    return ["".join("." if v == 0 else str(v) for v in row).rstrip(".") for row in levels]


def pictures():
    """Every picture under its name."""
    slab = simulate_slab(CONFIG, SEED)
    stream = np.random.default_rng(SEED).spawn(1)[0]
    person = draw_slab_person(CONFIG, stream)
    expected = expected_counts_of(CONFIG, person, stream.spawn(1)[0])
    counts = acquisition.noise_free(expected).counts
    middle = counts.shape[2] // 2
    shown = {
        "sinogram: angles down, bins across": coarse(counts[:, :, middle].sum(axis=-1), 2),
        "last frame: back of the patient down, right on the left": coarse(slab.frames[-1, 1], 2),
        "direct Ki": coarse(slab.direct.ki[1], 2),
        "true Ki": coarse(slab.ki[1], 2),
    }
    lines = []
    for name, image in shown.items():
        lines += [f"# {name}", *drawn(image)]
    return lines


@pytest.mark.slow
def test_that_a_scan_looks_as_in_the_pictures():
    """Rounding may move a value across a level: one level, at 3 % of the places."""
    expected, found = PICTURE.read_text(encoding="utf-8").splitlines(), pictures()
    assert [line for line in found if "#" in line] == [line for line in expected if "#" in line]
    pairs = [
        (int(a.replace(".", "0")), int(b.replace(".", "0")))
        for one, other in zip(found, expected, strict=True)
        if not one.startswith("#")
        for a, b in zip(one.ljust(64, "."), other.ljust(64, "."), strict=True)
    ]
    differences = np.abs(np.diff(np.array(pairs), axis=1))
    assert differences.max() <= 1
    assert (differences > 0).mean() <= 0.03


if __name__ == "__main__":
    PICTURE.write_text("\n".join(pictures()) + "\n", encoding="utf-8")
