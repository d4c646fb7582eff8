"""`kiview info`: what a study contains and what can be computed from it."""

import argparse
import textwrap

from kiview.commands.opening import open_given
from kiview.commands.terminal import DONE, TerminalProgress, say, say_json
from kiview.core.images import DynamicImage
from kiview.core.patlak import SECONDS_PER_MINUTE
from kiview.core.study import Fact, Series, SeriesKind, Study
from kiview.core.timing import range_text, time_text
from kiview.jobs.study_info import study_info

_PET = (SeriesKind.DYNAMIC, SeriesKind.STATIC)
_LINE = 100
"""Characters of a line of text."""


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """Describe the study as text or as one JSON document."""
    study = open_given(given, progress)
    if given.json:
        say_json(study_info(study))
    else:
        _say_text(study)
    return DONE


def _say_text(study: Study) -> None:
    for series in study.series:
        say(f"{series.kind} {series.modality}  {series.description or '(no description)'}")
        say(f"  {series.uid}")
        if series.image is not None:
            say(f"  {_grid_line(series.image)}")
        if series.kind in _PET:
            _say_pet(series)
        _say_facts(series.facts)
        for finding in series.findings:
            say(f"  - {finding.code}: {finding.message}")
    for source in study.region_objects:
        names = ", ".join(one.name for one in source.structures) or "nothing"
        say(f"{SeriesKind.OTHER} {source.modality}  {source.description or '(no description)'}")
        say(f"  {source.shown or source.path}")
        count = len(source.structures)
        say(f"  {count} {'structure' if count == 1 else 'structures'}: {names}")
    if study.unused_files:
        say(f"{len(study.unused_files)} files not used (listed by --json)")


def _say_facts(facts: tuple[Fact, ...]) -> None:
    """Labels in one column, values in the next, and below each value where it comes from."""
    width = max((len(fact.label) for fact in facts), default=0) + 2
    for fact in facts:
        say(f"    {fact.label:<{width}}{fact.value}")
        for line in textwrap.wrap(fact.source, _LINE - width - 6):
            say(f"    {'':<{width}}  {line}")


def _grid_line(image: DynamicImage) -> str:
    z, y, x = image.geometry.shape_zyx
    spacing = " x ".join(f"{d:.3g}" for d in image.geometry.spacing_zyx_mm[::-1])
    return f"{x} x {y} x {z} voxels of {spacing} mm, {image.quantity.unit.symbol}"


def _say_pet(series: Series) -> None:
    if series.image is not None:
        count = series.image.frame_count
        say(f"  {count} {'frame' if count == 1 else 'frames'}, {_times(series.image)}")
    say(f"  SUV {series.suv_verdict}, Ki {series.kinetics_verdict}")


def _times(image: DynamicImage) -> str:
    if not image.timing.is_known:
        return "times unknown"
    start = time_text(float(image.timing.start_s.min()) / SECONDS_PER_MINUTE)
    end = time_text(float(image.timing.end_s.max()) / SECONDS_PER_MINUTE)
    return f"{range_text(start, end, '-')} min after injection"
