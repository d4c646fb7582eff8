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
from kitrain.threads import in_order

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
        workers: Processes that simulate and threads that judge, 0 takes all cores.
        report: Takes progress lines.
    """
    paths = make_bodies(body_seeds(count, seed), folder, workers, report)
    check_splits(split_of("test", paths, folder / f"test-bodies-{count}-{seed}.manifest.json"))

    def judged(path: Path) -> tuple[dict[str, int], Image.Image | None]:
        record = load_record(path)
        made = {name: m.ki for family in families for name, m in family(record, 0).items()}
        counts = {name: false_hot_spots(ki, record).count for name, ki in made.items()}
        if path not in paths[:PICTURED]:
            return counts, None
        shown = {name: made[name] for name in _COLUMNS if name in made}
        return counts, picture_sheet(record, {**shown, TRUTH: record.ki})

    hot_spots: dict[str, list[int]] = {}
    sheets = []
    for number, (counts, sheet) in enumerate(in_order(judged, paths, workers), start=1):
        for name, found in counts.items():
            hot_spots.setdefault(name, []).append(found)
        if sheet is not None:
            sheets.append(sheet)
        report(f"judged body {number} of {count}")
    return WholeBodies(hot_spots, sheets)
