"""The variants of a training beside each other, on people who neither trained nor are judged."""

from collections.abc import Callable, Mapping
from pathlib import Path

from kitrain.config import DataConfig
from kitrain.data import make_groups
from kitrain.methods import network_family, shipped_name
from kitrain.pipeline import load_run, load_variant
from kitrain.report import scores_table
from kitrain.scores import MethodScores, score_files
from kitrain.test_sets import validation_jobs

_TEXT = """# The variants of {run}

Scores of every seed, and of all seeds together, as the program shows their maps (with the
consistency step), on {people} people who neither trained nor are judged.

{table}
"""


def compare_variants(
    run_dir: Path, people: int, data: Path, workers: int, report: Callable[[str], None]
) -> str:
    """A table of what every variant of every seed of a finished run reaches.

    Args:
        run_dir: Of the run.
        people: Who are scanned, as a report tells its trade-off on.
        data: Cache of simulated scans.
        workers: Processes that simulate and threads that score, 0 takes all cores.
        report: Takes progress lines.

    Returns:
        Markdown.

    Raises:
        FileNotFoundError: there is no finished run.
    """
    run = load_run(run_dir)
    config = run.record["config"]
    size = DataConfig(1, 1, 1, int(config["data"]["seed"]), workers)
    paths = make_groups(validation_jobs(size, people), workers, data, report)
    trained = {
        (name, seed): load_variant(run_dir, name, seed).weights
        for name in run.variants
        for seed in config["seeds"]
    }
    families = [
        network_family(weights, f"{name}, seed {seed}") for (name, seed), weights in trained.items()
    ]
    found = score_files(paths, families, workers, report).methods
    rows: dict[str, MethodScores] = {}
    for name in run.variants:
        seeds = {
            f"{name}, seed {seed}": found[shipped_name(f"{name}, seed {seed}")]
            for seed in config["seeds"]
        }
        rows |= {f"**{name}**": together(seeds), **seeds}
    return _TEXT.format(run=run_dir.name, people=people, table=scores_table(rows))


def together(seeds: Mapping[str, MethodScores]) -> MethodScores:
    """Scores of several networks as if they were one: every map and every lesion counts."""
    every = MethodScores()
    for scores in seeds.values():
        every.extend(scores)
    return every
