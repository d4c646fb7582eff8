"""What is told of a judgement: bars, tables, files."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from kitrain.architecture import new_network
from kitrain.bars import Bar, best_conventional, default_bars, direct_bars, slider_bars
from kitrain.config import DataConfig, NetworkConfig
from kitrain.data import split_seeds
from kitrain.evaluate import Effort, Judgement
from kitrain.groups import DIRECT
from kitrain.methods import DIRECT_MORE, SHIPPED, Chosen, conventional, network_family, plain
from kitrain.report import bars_table, report_text, write_confirmation, write_report
from kitrain.scores import MethodScores, SetScores, score_set
from kitrain.simulated import DIRECT_HIGH
from kitrain.test_sets import ROBUSTNESS, STANDARD, validation_jobs
from kiview.simulate.slab import expected_counts_of
from kiview.simulate.slab_person import draw_slab_person
from kiview.simulate.slab_recipes import training_config
from tests.training.slabs import fake_slab

CHOSEN = Chosen(8.0, 8.0, 12.0)


@pytest.fixture(scope="module")
def scores():
    weights = new_network(NetworkConfig(4, with_sigma=True), 0).state_dict()
    families = [*conventional(CHOSEN), network_family(weights)]
    return score_set([fake_slab(0), fake_slab(1)], families, print)


@pytest.fixture
def judged(scores):
    slider = dict.fromkeys((0.0, 1.0), scores.methods[SHIPPED])
    others = {"low-counts": scores}
    bars = default_bars(scores, others)
    return Judgement(Effort(2, 2, 2, 0), CHOSEN, scores, others, slider, bars=bars)


def test_that_a_bar_is_met_missed_or_not_judged():
    assert Bar("a", 0.5, "<=", 0.5).verdict == "met"
    assert Bar("a", 0.51, "<=", 0.5).verdict == "MISSED"
    assert Bar("a", 0.5, ">=", 0.6).verdict == "MISSED"
    assert Bar("a", float("nan"), ">=", 0.6).verdict == "not judged"


def test_that_the_best_rival_is_a_filter_and_no_reference(scores):
    rival = best_conventional(scores)
    assert rival.startswith(("Patlak", "HYPR-like"))
    others = [n for n in scores.methods if n.startswith(("Patlak", "HYPR-like"))]
    assert scores.methods[rival].mean("nrmse") == min(
        scores.methods[n].mean("nrmse") for n in others
    )


def test_that_a_perfect_network_meets_the_bars_and_an_empty_one_misses_them():
    def judge(factor):
        perfect = plain(SHIPPED, lambda record, _: record.ki * np.float32(factor))
        found = score_set([fake_slab(noise=0.3)], [*conventional(CHOSEN), perfect], print)
        return {bar.what: bar.verdict for bar in default_bars(found, {})}

    good, bad = judge(1.0), judge(0.0)
    missed = {what for what, verdict in good.items() if verdict == "MISSED"}
    assert missed <= {"large-lesion bias better than Patlak 5 mm (points)"}  # Patlak has none here
    assert good["NRMSE to truth / best non-network method"] == "met"
    assert bad["NRMSE to truth / best non-network method"] == "MISSED"
    assert bad["lost lesions, CRC < 0.1 (share)"] == "MISSED"
    assert bad["body bias (|share|)"] == "MISSED"


def test_that_a_standard_deviation_may_be_neither_too_small_nor_too_large(scores, monkeypatch):
    covered = {"all": 0.95, "bone": 0.89, "lung": 0.99, "liver": 0.97}
    monkeypatch.setattr(MethodScores, "coverage", lambda _: covered)
    bars = {bar.what: bar.verdict for bar in default_bars(scores, {"brain": scores})}
    told = {what: verdict for what, verdict in bars.items() if what.startswith("within 2 sigma")}
    assert told == {
        "within 2 sigma, standard counts, all (share)": "met",
        "within 2 sigma, standard counts, least (bone)": "MISSED",
        "within 2 sigma, standard counts, most (lung)": "MISSED",
    }


def test_that_the_published_claim_is_judged_map_by_map():
    copies = plain(SHIPPED, lambda record, r: record.ki_direct[r])
    found = score_set([fake_slab()], [*conventional(CHOSEN), copies], print)
    assert [bar.verdict for bar in direct_bars(found)] == ["met", "met"]
    patlak = plain(SHIPPED, lambda record, r: record.patlak_ki(r))
    found = score_set([fake_slab()], [*conventional(CHOSEN), patlak], print)
    assert [bar.verdict for bar in direct_bars(found)] == ["MISSED", "MISSED"]


def test_that_the_consistency_step_counts_in_every_bar(scores):
    worse = {SHIPPED: MethodScores(maps=[{"nrmse_direct": 9.0, "ssim_direct": 0.0}] * 4)}
    found = direct_bars(SetScores(scores.methods | worse, 2, 0))
    assert [bar.verdict for bar in found] == ["MISSED", "MISSED"]


def test_that_the_direct_image_of_more_counts_is_told_where_there_is_one(scores):
    assert DIRECT_MORE not in scores.methods
    record = fake_slab(0)
    known = record.references | {DIRECT_HIGH: record.references[DIRECT]}
    found = score_set([replace(record, references=known)], conventional(CHOSEN), print)
    assert found.methods[DIRECT_MORE].mean("nrmse_high") == pytest.approx(0.0, abs=1e-6)
    assert found.methods[DIRECT_MORE].mean("nrmse") > 0.1


def test_that_a_confirmation_lies_beside_the_report_and_says_what_it_is(judged, tmp_path):
    told = report_text(judged, "some-network", "Some 1.0.0")
    write_confirmation(tmp_path, f"{told}\n![Body 1](body-1.png)\n")
    text = (tmp_path / "CONFIRMATION.md").read_text(encoding="utf-8")
    assert text.startswith("# How Some 1.0.0 was judged, once more\n\n")
    assert "were simulated for it" in text
    assert "## What it has to reach" in text
    assert "body-1.png" not in text  # those are of the people of the report
    assert not (tmp_path / "REPORT.md").exists()
    assert not (tmp_path / "CARD.md").exists()


def test_that_the_card_ends_with_what_was_reached_on_other_people(judged, tmp_path):
    card = tmp_path / "CARD.md"
    card.write_text("# Some network\n\nFound there: 0.5.\n", encoding="utf-8")
    told = report_text(judged, "some-network", "Some 1.0.0")
    write_confirmation(tmp_path, told.replace("SSIM to truth above", "an older figure of"))
    write_confirmation(tmp_path, told)
    text = card.read_text(encoding="utf-8")
    assert text.startswith("# Some network\n\nFound there: 0.5.\n\n## On people with whom nothing")
    assert "an older figure of" not in text
    section = text.partition("(CONFIRMATION.md), which says")[2]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    assert lines[0] == "| what | found | to reach | | |"
    assert len(lines) == 1 + len(judged.bars)


def test_that_a_slider_must_not_turn_back():
    def at(noise, bias):
        return MethodScores(maps=[{"body_bias": bias}], noise=[noise])

    straight = {0.0: at(0.1, 0.0), 0.5: at(0.2, 0.01), 1.0: at(0.3, 0.02)}
    turning = {0.0: at(0.1, 0.0), 0.5: at(0.35, -0.06), 1.0: at(0.3, 0.02)}
    first, last = (slider_bars(path) for path in (straight, turning))
    assert (first[0].verdict, first[2].verdict) == ("met", "met")
    assert (last[0].verdict, last[2].verdict) == ("MISSED", "MISSED")


def test_that_the_report_names_every_method_and_the_command(judged):
    text = report_text(judged, "some-network", "Some 1.0.0")
    for name in judged.standard.methods:
        assert f"| {name} |" in text
    assert (
        "kitrain evaluate --network models/some-network --slabs 2 --conditions 2 --counts 2" in text
    )
    assert "within two sigmas" in text
    assert "{" not in text


def test_that_the_numbers_of_several_seeds_are_told_with_their_mean(judged):
    seeds = {
        0: [Bar("error", 0.4, "<=", 0.5), Bar("least (bone)", 0.5, ">=", 0.9)],
        7: [Bar("error", 0.7, "<=", 0.5), Bar("least (fat)", 0.7, ">=", 0.9)],
    }
    told = replace(judged, seeds=seeds, asked=" --run runs/full")
    text = report_text(told, "some-network", "Some 1.0.0")
    assert "--seed 1 --run runs/full`" in text
    assert "| what | seed 0 | seed 7 | mean | to reach |  |" in text
    assert "| error | 0.4 | 0.7 | 0.55 | <= 0.5 | MISSED |" in text
    assert "| least | 0.5 | 0.7 | 0.6 | >= 0.9 | MISSED |" in text
    assert "Every seed" not in report_text(judged, "some-network", "Some 1.0.0")


def test_that_the_report_is_written_with_every_lesion_and_plain_numbers(judged, tmp_path):
    write_report(tmp_path, judged, "Some 1.0.0")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "lesions.csv").read_text("utf-8"))))
    assert len(rows) == 8 * len(judged.standard.methods)  # two lesions, scans, realisations
    plain_numbers = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    found = plain_numbers["sets"]["standard"]["methods"][SHIPPED]["nrmse"]
    assert found == pytest.approx(judged.standard.methods[SHIPPED].mean("nrmse"), abs=1e-5)
    assert plain_numbers["bars"][0]["verdict"] in {"met", "MISSED"}


def test_that_test_people_and_filter_people_are_nobody_that_is_trained_on():
    size = DataConfig(train=300, validation=75, test=48, seed=3)
    trained = set(split_seeds("train", size)) | set(split_seeds("validation", size))
    tested = {seed for kind in (STANDARD, *ROBUSTNESS) for seed, _ in kind.jobs(size)}
    spare = {seed for seed, _ in validation_jobs(size, 12)}
    assert not trained & tested
    assert not spare & (trained | tested)
    assert len(spare) == 12


def test_that_one_set_has_the_scanner_errors_of_training_in_every_scan():
    faulty = [kind for kind in ROBUSTNESS if kind.config.scanner.bad_module_share]
    assert [kind.name for kind in faulty] == ["scanner-errors"]
    assert "attenuation" in faulty[0].title
    assert "faulty module" in faulty[0].title
    said = faulty[0].config.scanner
    learnt = [training_config(seed).scanner for seed in range(20)]
    assert said.bad_module_share == 1.0
    assert {said.attenuation_error} == {scanner.attenuation_error for scanner in learnt}
    assert said.attenuation_shift_mm == max(scanner.attenuation_shift_mm for scanner in learnt)


def test_that_the_scanner_errors_of_a_judged_scan_are_in_its_counts():
    """The faulty module loses counts; the map used to correct is not the true one."""
    config = next(kind.config for kind in ROBUSTNESS if kind.name == "scanner-errors")
    config = replace(config, region="thorax", slices=2, pixels=32, pixel_mm=12.0, angles=32)
    rng = np.random.default_rng(1)
    person = draw_slab_person(config, rng)
    perfect = replace(config, scanner=STANDARD.config.scanner)
    true, found = (
        expected_counts_of(c, person, np.random.default_rng(2)) for c in (perfect, config)
    )
    kept = found.trues.sum() / true.trues.sum()
    assert 0.9 < kept < 1
    assert not np.allclose(found.attenuation, true.attenuation, rtol=1e-3)


def test_that_the_robustness_sets_differ_from_the_standard_and_from_each_other():
    configs = [kind.config for kind in (STANDARD, *ROBUSTNESS)]
    assert len({str(config) for config in configs}) >= len(configs) - 1  # one differs by region
    assert len({kind.name for kind in ROBUSTNESS}) == len(ROBUSTNESS) >= 14
    assert [kind.name for kind in ROBUSTNESS if not kind.config.timing.is_contiguous()] == [
        "uneven-frames"
    ]
    regions = [config.region for config in STANDARD.configs(4)]
    assert regions == ["thorax", "abdomen", "thorax", "abdomen"]


def test_that_a_bar_with_strokes_stays_in_its_column(judged):
    lines = bars_table(judged.bars).splitlines()
    assert any("(mean of \\|bias\\|)" in line for line in lines)
    assert {line.replace("\\|", "").count("|") for line in lines} == {6}
