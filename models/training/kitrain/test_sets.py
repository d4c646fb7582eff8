"""Who networks are judged on: held-out people under the standard scan and under harder ones.

Also those who choose filters and those who calibrate: neither trained on nor judged.
"""

from dataclasses import dataclass, replace

from kitrain.config import DataConfig
from kitrain.data import slab_config, spare_seeds, split_seeds
from kiview.simulate.acquisition import ScannerSettings
from kiview.simulate.person import Region
from kiview.simulate.slab_config import SlabConfig
from kiview.simulate.slab_recipes import standard_config

HIGH_COUNTS = 5.0
"""Counts of the quieter direct reference, in those of the scan."""
FEW_COUNTS, MANY_COUNTS = 1e5, 3e6
"""True coincidences of a frame and bed, where 6e5 are standard."""
MOST_CALIBRATE, CALIBRATE_FROM_END = 192, 240
"""Of the people whom no training draws, those from the 240th before the end calibrate; the last 48
choose filters and show what the consistency step costs."""
MOST_REFUSE, REFUSE_FROM_END = 240, 480
"""Of those people, who tell when a curve network has to refuse."""
STANDARD_SLICES, STANDARD_LESIONS, SMALLEST_LESION_MM = 16, 16, 8.0
_TORSO: tuple[Region | None, ...] = ("thorax", "abdomen")
_DRAWN: tuple[Region | None, ...] = (None,)


@dataclass(frozen=True, slots=True)
class TestSet:
    """One kind of scan.

    Attributes:
        name: Short, for files.
        title: For tables.
        config: Of every slab, but for its region.
        regions: Taken in turn.
        wrong_curve: Whether features are made with a measured curve; the truth is then scaled to
            that curve (`GroupRecord.target_scale`), so that its shape is judged, not its scale.
    """

    __test__ = False  # not a test, whatever its name

    name: str
    title: str
    config: SlabConfig
    regions: tuple[Region | None, ...] = _TORSO
    wrong_curve: bool = False

    def configs(self, count: int) -> list[SlabConfig]:
        """Configurations of the first slabs."""
        return [
            replace(self.config, region=self.regions[i % len(self.regions)]) for i in range(count)
        ]

    def jobs(self, size: DataConfig) -> list[tuple[int, SlabConfig]]:
        """Seeds of test people and their configurations."""
        seeds = split_seeds("test", size)
        return list(zip(seeds, self.configs(len(seeds)), strict=True))


def _standard() -> SlabConfig:
    return replace(
        standard_config(),
        slices=STANDARD_SLICES,
        lesions=STANDARD_LESIONS,
        smallest_lesion_mm=SMALLEST_LESION_MM,
        high_counts=HIGH_COUNTS,
    )


STANDARD = TestSet("standard", "torso, 6 x 5 min from 30 min, 6e5 trues", _standard())
_PLAIN = replace(_standard(), high_counts=0.0, slices=8, lesions=10)


def _counts(trues: float) -> SlabConfig:
    return replace(_PLAIN, scanner=replace(_PLAIN.scanner, trues_per_frame=trues))


def _faulty() -> ScannerSettings:
    """The scanner errors that slabs to learn from may have, all of them in every scan."""
    return replace(
        _PLAIN.scanner, attenuation_error=0.02, attenuation_shift_mm=5.0, bad_module_share=1.0
    )


def _frames(start_min: float, length_min: float, count: int) -> SlabConfig:
    return replace(
        _PLAIN,
        frame_start_s=60 * start_min,
        frame_duration_s=60 * length_min,
        frame_count=count,
    )


ROBUSTNESS: tuple[TestSet, ...] = (
    TestSet("low-counts", "low counts (1e5)", _counts(FEW_COUNTS)),
    TestSet("high-counts", "high counts (3e6)", _counts(MANY_COUNTS)),
    TestSet("3x10-from-30", "3 x 10 min from 30", _frames(30, 10, 3)),
    TestSet("2x10-from-40", "2 x 10 min from 40", _frames(40, 10, 2)),
    TestSet("10x3-from-30", "10 x 3 min from 30", _frames(30, 3, 10)),
    TestSet("2x20-from-40", "2 x 20 min from 40", _frames(40, 20, 2)),
    TestSet("4x5-from-45", "4 x 5 min from 45", _frames(45, 5, 4)),
    TestSet(
        "uneven-frames",
        "5, 10, 5, 10 min from 30, pause of 2 min",
        replace(_PLAIN, frame_seconds=(300.0, 600.0, 300.0, 600.0), frame_gaps_s=(0.0, 120.0, 0.0)),
    ),
    TestSet("brain", "brain-like", replace(_PLAIN, kind="brain", lesions=2), _DRAWN),
    TestSet("uniform", "uniform body", replace(_PLAIN, kind="uniform", lesions=4), _DRAWN),
    TestSet("nema", "NEMA-like body", replace(_PLAIN, kind="nema"), _DRAWN),
    TestSet("insert", "cylinder with rods", replace(_PLAIN, kind="insert"), _DRAWN),
    TestSet("small-pixels", "pixels of 3.2 mm", replace(_PLAIN, pixel_mm=3.2)),
    TestSet("large-pixels", "pixels of 4.8 mm", replace(_PLAIN, pixel_mm=4.8)),
    TestSet(
        "wrong-curve",
        "input function measured or from a population",
        replace(_PLAIN, physiology="varied", input_errors=True),
        wrong_curve=True,
    ),
    TestSet("k4", "organs with k4", replace(_PLAIN, reversible=True)),
    TestSet(
        "scanner-errors",
        "attenuation off by 2 % and 5 mm (sigma) and a faulty module",
        replace(_PLAIN, scanner=_faulty()),
    ),
    TestSet("head-pelvis-thigh", "head, pelvis, thigh", _PLAIN, ("head", "pelvis", "thigh")),
)


COUNT_LEVELS = ("low-counts", "high-counts")
"""Of those sets: the standard scan with few and with many counts."""


def validation_jobs(size: DataConfig, count: int) -> list[tuple[int, SlabConfig]]:
    """Standard scans of people on whom filters are chosen: neither trained on nor tested.

    They come from the far end of the seeds that training draws from the near end of.
    """
    seeds = spare_seeds(size, count)
    return list(zip(seeds, replace(STANDARD, config=_PLAIN).configs(count), strict=True))


def calibration_jobs(size: DataConfig, people: int) -> dict[str, list[tuple[int, SlabConfig]]]:
    """Scans that calibrate a network, by their kind; each kind scans the same people, in one order.

    The standard scan, the same with few and with many counts, and one as training draws them.

    Args:
        size: Its seed tells which people.
        people: How many, at most `MOST_CALIBRATE`; fewer are the first of more.
    """
    standard = validation_jobs(size, CALIBRATE_FROM_END)[:people]
    return {
        STANDARD.name: standard,
        **{
            name: [(seed, replace(_counts(trues), region=said.region)) for seed, said in standard]
            for name, trues in zip(COUNT_LEVELS, (FEW_COUNTS, MANY_COUNTS), strict=True)
        },
        "as-trained": [(seed, slab_config("train", seed)) for seed, _ in standard],
    }


def refusal_jobs(size: DataConfig, people: int) -> dict[str, list[tuple[int, SlabConfig]]]:
    """Scans that tell when a curve network has to refuse, by their kind: half have no vessel.

    Heads have hardly any, with standard and with few counts; thighs, pelves and torsos have.

    Args:
        size: Its seed tells which people.
        people: Of each kind, at most `MOST_REFUSE`; fewer are the first of more.
    """
    few = _counts(FEW_COUNTS)
    kinds = (
        TestSet("head", "head", _PLAIN, ("head",)),
        TestSet("head-low-counts", "head, low counts", few, ("head",)),
        TestSet("brain", "brain-like", replace(_PLAIN, kind="brain", lesions=2), _DRAWN),
        TestSet("thigh", "thigh", _PLAIN, ("thigh",)),
        TestSet("pelvis", "pelvis", _PLAIN, ("pelvis",)),
        TestSet("torso-low-counts", "torso, low counts", few),
    )
    seeds = spare_seeds(size, REFUSE_FROM_END)[:people]
    return {kind.name: list(zip(seeds, kind.configs(people), strict=True)) for kind in kinds}
