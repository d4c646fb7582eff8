"""Judging a curve network beside the same one from other seeds."""

import json

import pytest

from kitrain import curve_judge
from kitrain.curve_judge import judge_curve_network, report_text, write_curve_results
from kitrain.curve_scores import FLOOR, NETWORK, REGION, UNSCALED, CurveErrors, CurveScores
from kitrain.evaluate import Effort

ERRORS = {0: 0.10, 1: 0.16, 2: 0.13}
"""Of the area under the curve, by seed; the floor of this set is 0.10."""


def scores_with(area):
    errors = {NETWORK: area, FLOOR: 0.1, REGION: 0.4, UNSCALED: 0.5}
    found = {name: [CurveErrors(value, value, 0.2)] for name, value in errors.items()}
    return CurveScores(errors=found, true_nrmse=[0.2], with_vessel=1)


def card_of(seed):
    data = {"train": 4, "validation": 1}
    training = {"seed": seed, "config": {"data": data}, "command": "c", "minutes": 1}
    return {
        "id": "curve-test",
        "version": "1.0.0",
        "title": "Curve",
        "licence": "Apache-2.0",
        "voxel_mm": [4.0, 4.0, 4.0],
        "least_probability": 0.1,
        "domain": {"frame_count": [2, 10]},
        "ki_network": {"id": "ki-test"},
        "training": training,
    }


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders of three seeds whose scores are known; nothing is simulated."""
    made = []
    for seed in ERRORS:
        folder = tmp_path / f"seed-{seed}"
        folder.mkdir()
        (folder / "seed.json").write_text(json.dumps(seed), encoding="utf-8")
        made.append(folder)

    def seed_of(folder):
        return json.loads((folder / "seed.json").read_text(encoding="utf-8"))

    monkeypatch.setattr(curve_judge, "card_of", lambda folder: card_of(seed_of(folder)))
    monkeypatch.setattr(curve_judge, "read_curve_model", seed_of)
    monkeypatch.setattr(curve_judge, "ki_network_of", lambda _: None)
    monkeypatch.setattr(curve_judge, "test_groups", lambda *_: [])
    monkeypatch.setattr(
        curve_judge, "score_curve_files", lambda _paths, seed, *_: scores_with(ERRORS[seed])
    )
    monkeypatch.setattr(curve_judge, "list_in_catalogue", lambda *_: None)
    return made


def judge(folders, seeds):
    effort = Effort(1, 0, bodies=0)
    return judge_curve_network(folders[0], effort, folders[0], print, folders[0], seeds)


def test_that_every_seed_is_judged_and_the_own_one_decides(folders):
    judged = judge(folders, folders[1:])
    assert judged.bars[0].value == pytest.approx(1.0)
    assert [bars[0].value for bars in judged.seeds.values()] == pytest.approx([1.0, 1.6, 1.3])
    text = report_text(folders[0], judged)
    line = next(line for line in text.splitlines() if line.startswith("| AUC") and "1.6" in line)
    assert "| 1 | 1.6 | 1.3 | 1.3 | <= 1.1 | MISSED |" in line


def test_that_the_card_tells_the_mean_of_the_seeds(folders):
    write_curve_results(folders[0], judge(folders, folders[1:]))
    card = (folders[0] / "card.toml").read_text(encoding="utf-8")
    assert '"AUC(0-60) error / floor of one-number scaling, mean of the seeds" = 1.3\n' in card


def test_that_one_seed_alone_has_no_table_of_seeds(folders):
    judged = judge(folders, ())
    assert not judged.seeds
    assert "Every seed" not in report_text(folders[0], judged)
