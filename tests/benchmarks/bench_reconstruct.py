"""4-D direct reconstruction of a training slab, on two threads as a whole scan uses them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from kiview.simulate import acquisition
from kiview.simulate.coarse import coarse_mean, support_of
from kiview.simulate.parametric import direct_patlak
from kiview.simulate.recon import Sinograms, System, osem
from kiview.simulate.slab import expected_counts_of
from kiview.simulate.slab_person import draw_slab_person
from kiview.simulate.slab_recipes import standard_config
from tests.benchmarks.measure import Ratio, fastest_s

THREADS = 2
_SEED = 1


def slices(data: Sinograms, first: int, last: int) -> Sinograms:
    """Data of some slices."""
    part = slice(first, last)
    counts, background = data.counts[:, :, part], data.background[:, :, part]
    attenuation = np.ascontiguousarray(data.attenuation[:, :, part])
    return Sinograms(
        np.ascontiguousarray(counts), np.ascontiguousarray(background), attenuation, data.gain
    )


def run() -> list[Ratio]:
    """Seconds per slice of 128 x 128 pixels and six frames; the direct image over the frames."""
    config = standard_config()
    rng = np.random.default_rng(_SEED)
    person = draw_slab_person(config, rng)
    expected = expected_counts_of(config, person, rng)
    errors = acquisition.draw_background_errors(config.scanner, config.frame_count, rng)
    data = acquisition.measure(expected, errors, rng)
    body = coarse_mean(person.mask()) > 0.5
    system = System.build(config.projector(fine=False), support_of(body), config.subsets)
    count = data.attenuation.shape[2]
    edges = np.linspace(0, count, THREADS + 1).astype(int)
    parts = [slices(data, a, b) for a, b in pairwise(edges)]

    def direct_of(part: Sinograms) -> None:
        direct_patlak(system, part, person.basis, config.direct)

    def frames_of(part: Sinograms) -> None:
        osem(system, part, config.iterations)

    def on_threads(work: Callable[[Sinograms], None]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, parts))

    with threadpool_limits(1):
        direct_s, frames_s = (fastest_s(partial(on_threads, f), 3) for f in (direct_of, frames_of))
    return [
        Ratio("direct 4-D Patlak, 6 frames, s per 128 x 128 slice", direct_s / count, "<= 0.2"),
        Ratio("direct 4-D Patlak / OSEM of the same frames", direct_s / frames_s, ""),
    ]
