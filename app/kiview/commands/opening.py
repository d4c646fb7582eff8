"""Opening a study for a subcommand and picking what to compute on."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from kiview.commands.arguments import overrides
from kiview.commands.terminal import TerminalProgress, UsageError, note
from kiview.core.errors import InvalidInputError
from kiview.core.images import DynamicImage
from kiview.core.study import Series, Study, Verdict
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.settings.store import load as load_settings


def open_given(
    given: argparse.Namespace,
    progress: TerminalProgress,
    recorded: Mapping[str, float | str] | None = None,
) -> Study:
    """Open `STUDY` with the values of `--set`.

    Args:
        given: The words of the command.
        progress: Told while files are read.
        recorded: Values entered for an earlier run; those of `--set` go before them.

    Raises:
        UsageError: there is no such file or folder.
    """
    path: Path = given.study
    if not path.exists():
        raise UsageError(f"STUDY {path} does not exist")
    values = {**(recorded or {}), **overrides(given.given)}
    limit_bytes = load_settings().settings.voxel_cache_limit_bytes
    study = open_study(OpenRequest(path, values, cache_limit_bytes=limit_bytes), progress)
    progress.clear()
    return study


def main_dynamic(study: Study) -> tuple[Series, DynamicImage]:
    """The series to compute on, with its image; notes its findings.

    Raises:
        InvalidInputError: there is no PET image.
    """
    series = study.main_series
    if series is None or series.image is None:
        raise InvalidInputError("This study holds no image that can be shown; nothing to compute.")
    for finding in series.findings:
        note(f"{finding.code}: {finding.message}")
    return series, series.image


def refuse_without_kinetics(series: Series) -> None:
    """Refuse a series whose kinetics cannot be computed.

    Raises:
        InvalidInputError: with the first reason.
    """
    reasons = [f.message for f in series.findings if f.kinetics is Verdict.REFUSED]
    if reasons:
        raise InvalidInputError(f"Ki cannot be computed: {reasons[0]}")
