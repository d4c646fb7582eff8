"""A preview shows what a whole run would give: first near the cursor, then on the planes."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import small_study
from tests.unit.nets import fakes

from kiview import paths
from kiview.core.errors import KiviewError
from kiview.core.input_function import from_region
from kiview.core.progress import Cancelled, NullProgress
from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.tac import extract
from kiview.jobs import preview_network as job
from kiview.jobs import preview_plan
from kiview.jobs.preview_network import NEAR_SHARE, PreviewRequest, preview_network
from kiview.nets.catalog import load_catalog
from kiview.nets.infer import NetworkRequest, Region, network_region, prepare, run_network
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.tie import PatlakReference, make_consistent, reach_voxels
from kiview.nets.weights import shipped_weights

pytestmark = pytest.mark.slow
KEY = "study|input|1800-3600"
BOTH = (Plane.CORONAL, Plane.SAGITTAL)
EXACT = 1e-5


@pytest.fixture(scope="module")
def run():
    image = small_study.image()
    mask = Roi("aorta", "Aorta", "#ffffff", small_study.aorta()).rasterise(image.geometry)
    card = load_catalog(paths.models_dir()).default
    curve = from_region(extract(image, mask))
    return NetworkRequest(image, curve, 1800.0, 3600.0, card, shipped_weights(card))


@pytest.fixture(scope="module")
def other(run):
    return replace(run, weights=replace(run.weights, position=0.25))


@pytest.fixture(scope="module")
def computed(run):
    return run_network(run, NullProgress()).main


@pytest.fixture(scope="module")
def wide():
    """A run on a grid so wide that a strip is only a part of it."""
    return fakes.request(fakes.fake_image((24, 120, 116)))


@pytest.fixture
def small_pieces(monkeypatch):
    """Planes in several steps although the study is small."""
    monkeypatch.setattr(preview_plan, "PIECE_VOXELS", 4000)


def steps(run, computed, planes=BOTH, kept=None, position=None):
    """Every step of a preview until it is complete."""
    where = np.array(small_study.lesion_mm() if position is None else position)
    request = PreviewRequest(run, computed, where, planes)
    done = [preview_network(request, kept, KEY, NullProgress())]
    while not done[-1].is_complete:
        done.append(preview_network(request, done[-1].kept, KEY, NullProgress()))
    return done


def plane_of(values, geometry, plane):
    """The slice of a map through the lesion."""
    z, y, x = geometry.nearest_index(small_study.lesion_mm())
    return {Plane.CORONAL: values[:, y], Plane.SAGITTAL: values[:, :, x], Plane.AXIAL: values[z]}[
        plane
    ]


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("share", [0.0, 0.3], ids=["pure", "blended"])
@pytest.mark.parametrize(
    "planes", [BOTH, (Plane.CORONAL,), (Plane.SAGITTAL,), (Plane.AXIAL,)], ids=str
)
@pytest.mark.usefixtures("small_pieces")
def test_that_previewed_planes_equal_those_of_a_whole_run(run, computed, planes, tied, share):
    weights = replace(run.weights, position=0.25, image_blend=share)
    wanted = replace(run, weights=weights, tied=tied)
    done = steps(wanted, computed, planes)
    whole = run_network(wanted, NullProgress()).main
    assert np.abs(whole.values - computed.values).max() > 0.02 * whole.values.max()
    for plane in planes:
        np.testing.assert_allclose(
            plane_of(done[-1].map.values, whole.geometry, plane),
            plane_of(whole.values, whole.geometry, plane),
            atol=EXACT * whole.values.max(),
        )


@pytest.mark.usefixtures("small_pieces")
def test_that_every_step_tells_what_it_previews_until_all_is(other, computed):
    done = steps(other, computed)
    assert len(done) > 3
    assert [len(step.boxes) for step in done[:3]] == [1, 2, 2]  # near the cursor, then slices too
    assert done[-1].boxes == ()
    changed = done[0].map.values != computed.values
    changed &= ~np.isnan(computed.values)
    (near,) = done[0].boxes
    inside = np.zeros(computed.values.shape, np.bool_)
    z, y, x = (slice(*ends) for ends in zip(near.first_zyx, near.end_zyx, strict=True))
    inside[z, y, x] = True
    assert changed[inside].any()
    assert not changed[~inside].any()


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("planes", [BOTH, (Plane.CORONAL,), (Plane.SAGITTAL,)], ids=str)
def test_that_a_strip_computed_alone_equals_the_whole_run(wide, planes, tied, monkeypatch):
    monkeypatch.setattr(preview_plan, "WHOLE_SHARE", 9.0)
    wanted = replace(wide, weights=replace(wide.weights, position=0.25), tied=tied)
    nothing = run_network(wide, NullProgress()).main
    nothing = replace(nothing, values=np.zeros_like(nothing.values))
    index = (12, 60, 40)
    done = steps(wanted, nothing, planes, position=nothing.geometry.to_lps_mm(index))
    assert not done[-1].kept.is_known.all()
    whole = run_network(wanted, NullProgress()).main.values
    shown = done[-1].map.values
    slices = {Plane.CORONAL: np.s_[:, index[1]], Plane.SAGITTAL: np.s_[:, :, index[2]]}
    for plane in planes:
        np.testing.assert_allclose(
            shown[slices[plane]], whole[slices[plane]], atol=EXACT * whole.max()
        )


def test_that_the_first_step_redraws_100_mm_about_the_cursor_and_nothing_else(computed, other):
    first = steps(other, computed)[0]
    geometry = computed.geometry
    changed = np.argwhere(first.map.values != computed.values)
    distance = np.abs(geometry.to_lps_mm(changed) - np.array(small_study.lesion_mm()))
    assert distance.max() < preview_plan.HALF_WIDTH_MM + 4 * small_study.SPACING_MM
    whole = run_network(other, NullProgress()).main
    index = geometry.nearest_index(small_study.lesion_mm())
    assert first.map.values[index] == pytest.approx(whole.values[index], rel=1e-3)
    assert first.map.values[index] != pytest.approx(computed.values[index], rel=3e-3)


def test_that_the_quick_neighbourhood_is_exact_at_the_cursor_and_close_elsewhere(wide):
    """Half the reach of the network is enough for what is replaced within seconds."""
    prepared, runtime = prepare(wide, NullProgress()), NetworkRuntime(wide.card)
    box = Region(6, 10, 36, 64, 36, 64)
    reach = prepared.reach.halo
    exact, quick = (
        network_region(prepared, runtime, box, halo=halo).ki
        for halo in (reach, round(NEAR_SHARE * reach))
    )
    middle = (slice(None), slice(12, 16), slice(12, 16))
    np.testing.assert_allclose(quick[middle], exact[middle], atol=1e-6 * exact.max())
    assert np.abs(quick - exact).max() < 0.03 * exact.max()
    assert np.sqrt(((quick - exact) ** 2).mean()) < 0.005 * np.sqrt((exact**2).mean())


@pytest.mark.usefixtures("small_pieces")
def test_that_every_step_shows_more_and_keeps_what_was_shown(computed, other):
    done = steps(other, computed)
    assert len(done) > 3
    fractions = [step.fraction for step in done]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    changed = [int((step.map.values != computed.values).sum()) for step in done]
    assert changed == sorted(changed)


@pytest.mark.parametrize("size_mm", [2.0, 4.0, 5.0])
def test_that_the_reach_covers_all_that_a_slice_depends_on(size_mm):
    """A disturbance just beyond the reach leaves the finished slice alone, one inside does not."""
    spacing = (size_mm,) * 3
    reach = reach_voxels(spacing)
    rng = np.random.default_rng(1)
    ki = rng.uniform(0.5, 1.5, (96, 8, 8)).astype(np.float32)
    patlak = rng.uniform(1.0, 2.0, (96, 8, 8)).astype(np.float32)
    noise = np.full_like(ki, 0.1)
    reference = PatlakReference(patlak, patlak.copy(), noise, 1.0, spacing)

    def finished(values):
        return make_consistent(values, None, reference).ki[48]

    def after(distance):
        disturbed = ki.copy()
        disturbed[48 + distance] *= 3
        return finished(disturbed)

    assert not np.array_equal(after(reach // 2), finished(ki))
    np.testing.assert_array_equal(after(reach), finished(ki))
    np.testing.assert_array_equal(after(-reach), finished(ki))


def test_that_features_and_computed_voxels_are_kept_for_the_same_weights(computed, other):
    complete = steps(other, computed)[-1]
    again = steps(other, computed, kept=complete.kept)
    assert len(again) == 1
    assert again[0].kept is complete.kept
    blended = replace(other, weights=replace(other.weights, image_blend=0.5))
    assert len(steps(blended, computed, kept=complete.kept)) == 1
    sharper = replace(other, weights=replace(other.weights, position=0.75))
    first = steps(sharper, computed, kept=complete.kept)[0]
    assert first.kept.prepared is complete.kept.prepared
    assert first.kept.runtime is not complete.kept.runtime
    stale = replace(complete.kept, key="other inputs")
    assert steps(other, computed, kept=stale)[0].kept.prepared is not stale.prepared


def test_that_the_stored_map_is_left_alone_and_the_preview_says_modified(computed, other):
    before = computed.values.copy()
    shown = steps(other, computed)[-1].map
    np.testing.assert_array_equal(computed.values, before)
    assert shown.provenance.modified


def test_that_a_preview_of_shipped_weights_does_not_say_modified(run, computed):
    untied = replace(run, tied=False)
    assert not steps(untied, computed)[-1].map.provenance.modified


def test_that_a_cursor_outside_the_volume_previews_its_nearest_part(computed, other):
    done = steps(other, computed, position=(1000.0, 0.0, 5000.0))
    assert np.isfinite(done[-1].map.values).any()


def test_that_a_preview_stops_between_blocks(computed, other, monkeypatch):
    monkeypatch.setattr(job, "BLOCK_VOXELS", 2000)

    class Stopping(NullProgress):
        def step(self, fraction, message):  # noqa: ARG002 - the interface
            if fraction:
                raise Cancelled

    kept = steps(other, computed)[-1].kept
    request = PreviewRequest(
        replace(other, weights=replace(other.weights, position=0.5)),
        computed,
        np.array(small_study.lesion_mm()),
        BOTH,
    )
    with pytest.raises(Cancelled):
        preview_network(request, kept, KEY, Stopping())


def test_that_a_weight_set_of_another_network_is_refused(run, computed):
    stranger = replace(run, weights=replace(run.weights, network_sha256="0" * 64))
    with pytest.raises(KiviewError, match="another network"):
        steps(stranger, computed)
