"""Whole bodies in a judgement: false hot spots of every method, and pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from kitrain.bodies import body_seeds, make_bodies
from kitrain.data import split_of
from kitrain.hot_spots import false_hot_spots
from kitrain.leaks import check_splits
from kitrain.methods import DIRECT, PATLAK_5, SHIPPED, Family
from kitrain.pictures import picture_sheet
from kitrain.records import load_record

PICTURED = 3
TRUTH = "truth"
_COLUMNS = (PATLAK_5, DIRECT, SHIPPED)


@dataclass(frozen=True, slots=True, eq=False)
class WholeBodies:
    """What whole bodies showed.

    Attributes:
        hot_spots: False hot spots of every body, by method.
        sheets: Coronal and sagittal planes of the first bodies by method.
    """

    hot_spots: Mapping[str, Sequence[int]]
    sheets: Sequence[Image.Image]

    def mean_count(self, method: str) -> float:
        """False hot spots per body."""
        counts = self.hot_spots[method]
        return sum(counts) / len(counts)


def judge_bodies(
    count: int,
    seed: int,
    families: Sequence[Family],
    folder: Path,
    workers: int,
    report: Callable[[str], None],
) -> WholeBodies:
    """Make every map of some test bodies, count false hot spots, draw the first three.

    Args:
        count: Bodies.
        seed: Which test people.
        families: What is judged.
        folder: Cache of simulated scans.
        workers: Processes that simulate, 0 takes all cores.
        report: Takes progress lines.
    """
    paths = make_bodies(body_seeds(count, seed), folder, workers, report)
    check_splits(split_of("test", paths, folder / f"test-bodies-{count}-{seed}.manifest.json"))
    hot_spots: dict[str, list[int]] = {}
    sheets = []
    for number, path in enumerate(paths):
        record = load_record(path)
        made = {name: m.ki for family in families for name, m in family(record, 0).items()}
        for name, ki in made.items():
            hot_spots.setdefault(name, []).append(false_hot_spots(ki, record).count)
        if number < PICTURED:
            shown = {name: made[name] for name in _COLUMNS if name in made}
            sheets.append(picture_sheet(record, {**shown, TRUTH: record.ki}))
        report(f"judged body {number + 1} of {count}")
    return WholeBodies(hot_spots, sheets)
