from dataclasses import replace

import pytest

from kitrain.config import NetworkConfig, OptimiserConfig, VerdictConfig
from kitrain.history import Progress
from kitrain.verdict import Fit, changes, judge

CONFIG = VerdictConfig(accuracy=0.7, gap=0.1)
NETWORK = NetworkConfig(width=32)
SCHEDULE = OptimiserConfig(iterations=1000, learning_rate=2e-3)


def curve(train, validation):
    return [
        Progress(100 * i, 1.0 - t, t, v, 1e-3, float(i))
        for i, (t, v) in enumerate(zip(train, validation, strict=True), start=1)
    ]


def judged(train, validation, **settings):
    return judge(curve(train, validation), replace(CONFIG, **settings), NETWORK, SCHEDULE)


@pytest.mark.parametrize(
    ("train", "validation", "fit"),
    [
        ((0.5, 0.7, 0.80), (0.5, 0.7, 0.78), Fit.GOOD),
        ((0.3, 0.4, 0.50), (0.3, 0.4, 0.49), Fit.UNDERFIT),
        ((0.5, 0.8, 0.95), (0.5, 0.7, 0.75), Fit.OVERFIT),
        ((0.5, 0.8, 0.85), (0.6, 0.8, 0.77), Fit.OVERFIT),
        ((0.5, 0.8, 0.79), (0.6, 0.8, 0.77), Fit.GOOD),
        ((0.3, 0.5, 0.75), (0.2, 0.3, 0.40), Fit.OVERFIT),
    ],
    ids=["good", "never learns", "apart", "falls back", "both fall", "both at once"],
)
def test_that_curves_are_judged_as_a_person_would(train, validation, fit):
    found = judged(train, validation)
    assert found.fit is fit
    assert found.reason.startswith(fit.value)
    assert f"{validation[-1]:.3f} on validation" in found.reason


def test_that_a_good_training_is_left_alone():
    found = judged((0.8,), (0.8,))
    assert changes(found, NETWORK, SCHEDULE) == {}


def test_that_an_underfit_asks_for_more_layers_and_kernels_and_a_lower_rate():
    found = judged((0.4,), (0.4,))
    changed = changes(found, NETWORK, SCHEDULE)
    assert changed == {"width": (32, 48), "levels": (3, 4), "learning_rate": (2e-3, 1e-3)}


def test_that_an_overfit_asks_for_fewer_layers_and_kernels_a_lower_rate_and_fewer_epochs():
    found = judge(curve((0.95,), (0.6,)), CONFIG, NETWORK, replace(SCHEDULE, epochs=8.0))
    changed = changes(found, NETWORK, replace(SCHEDULE, epochs=8.0))
    assert changed == {
        "width": (32, 20),
        "levels": (3, 2),
        "learning_rate": (2e-3, 1e-3),
        "iterations": (1000, 500),
        "epochs": (8.0, 4.0),
    }


def test_that_a_proposal_stays_within_what_a_configuration_may_say():
    widest, narrowest = NetworkConfig(width=256, levels=4), NetworkConfig(width=4, levels=2)
    slow = replace(SCHEDULE, learning_rate=1e-7, iterations=1)
    up = judge(curve((0.1,), (0.1,)), CONFIG, widest, slow)
    down = judge(curve((0.9,), (0.1,)), CONFIG, narrowest, slow)
    assert (up.network.width, up.schedule.learning_rate) == (256, 1e-7)
    assert (down.network.width, down.schedule.iterations) == (4, 1)
    assert (up.network.levels, down.network.levels) == (4, 2)


def test_that_threshold_and_gap_come_from_the_configuration():
    assert judged((0.6,), (0.55,), accuracy=0.5).fit is Fit.GOOD
    assert judged((0.9,), (0.75,), gap=0.2).fit is Fit.GOOD
