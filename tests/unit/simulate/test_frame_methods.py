"""The reconstructions that a simulated scan may choose: each gives the activity that was there."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from kiview.core.errors import InvalidInputError
from kiview.core.progress import CallbackProgress
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.coarse import coarse_mean
from kiview.simulate.parametric import DirectSettings
from kiview.simulate.scan import ScanConfig, simulate_scan
from kiview.simulate.slab import simulate_slab
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.slab_person import draw_slab_person
from kiview.simulate.tissues import Label

TINY = SlabConfig(
    kind="uniform",
    frame_count=2,
    slices=2,
    pixels=48,
    pixel_mm=8.5,
    angles=48,
    subsets=8,
    lesions=0,
    scanner=ScannerSettings(trues_per_frame=3e7, background_error=0.0),
)
SEED = 3


def true_activity(config):
    """Frame means of the person's activity, (t, z, y, x) SUV."""
    person = draw_slab_person(config, np.random.default_rng(SEED).spawn(4)[0])
    images = person.activity.images(person.phantom, person.drawing)[:, person.inner]
    frames = np.tensordot(person.activity.curves.T, images, 1)
    return np.stack([coarse_mean(frame) for frame in frames])


def middle(slab):
    """Voxels of one tissue and far from its edge."""
    return ndimage.binary_erosion(slab.labels == Label.BACKGROUND, np.ones((1, 7, 7)))


@pytest.mark.parametrize("reconstruction", ["osem", "mlem", "fbp"])
def test_that_every_reconstruction_gives_the_activity(reconstruction):
    config = replace(TINY, reconstruction=reconstruction)
    slab = simulate_slab(config, SEED, with_direct=False)
    inside = middle(slab)
    assert inside.sum() > 100
    for found, true in zip(slab.frames, true_activity(config), strict=True):
        assert found[inside].mean() == pytest.approx(true[inside].mean(), rel=0.03)


@pytest.mark.parametrize("update", ["nested", "method"])
def test_that_every_direct_update_gives_the_activity(update):
    config = replace(TINY, direct=DirectSettings(update=update))
    slab = simulate_slab(config, SEED)
    inside = middle(slab)
    maps = np.stack([slab.direct.ki[inside].mean(), slab.direct.v0[inside].mean()])
    true = true_activity(config)[:, inside].mean(axis=1)
    np.testing.assert_allclose(maps @ slab.basis, true, rtol=0.03)


def test_that_mlem_comes_as_far_as_osem_and_fbp_knows_no_sign():
    slabs = {
        name: simulate_slab(replace(TINY, reconstruction=name), SEED, with_direct=False)
        for name in ("osem", "mlem", "fbp")
    }
    inside = middle(slabs["osem"])
    spread = {name: slab.frames[0][inside].std() for name, slab in slabs.items()}
    assert spread["mlem"] == pytest.approx(spread["osem"], rel=0.2)
    assert slabs["osem"].frames.min() >= 0
    assert slabs["mlem"].frames.min() >= 0
    assert slabs["fbp"].frames.min() < 0


@pytest.mark.parametrize("reconstruction", ["mlem", "fbp"])
def test_that_a_whole_scan_may_choose_too(reconstruction):
    config = ScanConfig(
        person="torso",
        lesions=0,
        frame_seconds=(1800.0, 600.0),
        slices=4,
        pixels=48,
        pixel_mm=9.0,
        angles=48,
        subsets=8,
        slices_per_chunk=2,
        scanner=ScannerSettings(trues_per_frame=3e7, background_error=0.0),
    )
    shares: list[float] = []
    progress = CallbackProgress(lambda share, _message: shares.append(share))
    scan = simulate_scan(replace(config, reconstruction=reconstruction), SEED, progress)
    usual = simulate_scan(config, SEED)
    inside = ndimage.binary_erosion(scan.body, np.ones((1, 5, 5)))
    means = [one.frames_bqml[1][inside].mean() for one in (scan, usual)]
    assert means[0] == pytest.approx(means[1], rel=0.03)
    assert shares == sorted(shares)
    assert max(shares) <= 1


def test_that_an_unknown_reconstruction_is_refused():
    for config in (TINY, ScanConfig()):
        with pytest.raises(InvalidInputError, match="'art' is no reconstruction"):
            replace(config, reconstruction="art")
