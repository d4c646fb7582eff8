import numpy as np
import pytest
import torch

from kitrain.config import LossConfig, Norm
from kitrain.dataset import SlabSet
from kitrain.loss_terms import gradient_term, known_penalty, multiscale_term, penalty
from kitrain.losses import loss
from kitrain.records import record_of
from kitrain.targets import Target
from tests.training.slabs import added_group, fake_slab

CPU = torch.device("cpu")
EVEN = torch.ones(1, 16, 16)


def test_that_the_square_and_the_robust_error_agree_where_errors_are_small():
    small = torch.tensor([1e-3, -2e-3])
    robust, square = (penalty(small, LossConfig(norm=norm)) for norm in Norm)
    torch.testing.assert_close(robust, square, rtol=5e-3, atol=0)
    assert float(penalty(torch.tensor(1.0), LossConfig(norm=Norm.SQUARE))) == pytest.approx(10.0)


def test_that_the_square_finds_the_mean_and_the_robust_error_the_median_of_skewed_noise():
    noisy = torch.tensor(np.random.default_rng(0).exponential(1.0, 20_001), dtype=torch.float32)
    grid = torch.linspace(0.4, 1.4, 101)

    def best(norm):
        cost = [float(penalty(value - noisy, LossConfig(norm=norm)).mean()) for value in grid]
        return float(grid[int(np.argmin(cost))])

    assert best(Norm.SQUARE) == pytest.approx(float(noisy.mean()), abs=0.01)
    assert best(Norm.CHARBONNIER) == pytest.approx(float(noisy.median()), abs=0.03)


def test_that_the_edge_term_ignores_an_offset_and_counts_a_missing_edge():
    config = LossConfig(norm=Norm.SQUARE, charbonnier=0.5)
    assert float(gradient_term(0.3 * EVEN, EVEN, config)) == 0.0
    step = torch.zeros(1, 16, 16)
    step[:, :, 8:] = 1.0
    assert float(gradient_term(step, EVEN, config)) == pytest.approx(1 / 15)
    outside = EVEN.clone()
    outside[:, :, 7:9] = 0.0
    assert float(gradient_term(step, outside, config)) == 0.0


def test_that_the_coarse_term_ignores_a_checkerboard_and_counts_an_offset():
    config = LossConfig(norm=Norm.SQUARE, charbonnier=0.5)
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1.0
    assert float(multiscale_term(board[None], EVEN, config)) == pytest.approx(0.0, abs=1e-12)
    assert float(multiscale_term(2 * EVEN, EVEN, config)) == pytest.approx(4.0)


@pytest.mark.parametrize("term", ["gradient", "multiscale"])
def test_that_each_selectable_term_adds_to_the_cost_of_a_wrong_map_only(term):
    batch = SlabSet([fake_slab()], 0.0, CPU).draw(np.random.default_rng(0), 4, 32, 1.0)
    plain, more = LossConfig(v_direct=0.0), LossConfig(v_direct=0.0, **{term: 1.0})
    right, wrong = (batch.ki, batch.v), (0.5 * batch.ki, batch.v)
    assert float(loss(right, batch, more)) == pytest.approx(0, abs=1e-6)
    assert float(loss(wrong, batch, more)) > 1.05 * float(loss(wrong, batch, plain))


def test_that_a_target_nobody_knows_costs_nothing_and_pulls_nowhere():
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    cost = known_penalty(values, torch.tensor([np.nan, 1.0]), LossConfig())
    cost.sum().backward()
    assert cost[0].item() == 0.0
    assert values.grad[0].item() == 0.0
    assert values.grad[1].item() > 0.0


def test_that_a_real_case_without_v_can_be_trained_on():
    records = [record_of(added_group())]
    batch = SlabSet(records, 0.0, CPU, Target.DIRECT).draw(np.random.default_rng(0), 4, 32, 0.5)
    assert torch.isnan(batch.v).all()
    ki = batch.ki.clone().requires_grad_()
    value = loss((ki, torch.ones_like(batch.v)), batch, LossConfig())
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(ki.grad).all()
