"""Opening a study for a subcommand and picking what to compute on."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from kiview.commands.arguments import overrides
from kiview.commands.terminal import TerminalProgress, UsageError, note
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.images import DynamicImage
from kiview.core.study import Series, Study, Verdict
from kiview.jobs.library import find_study
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.records import is_library_id
from kiview.settings.store import load as load_settings

_TIME_FIELDS = {
    "injection_time": "injection_time",
    "frame_start_s": "frame_start_s and frame_duration_s",
}
"""Fields that settle when frames were measured, and what to enter then."""


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
    return open_path(given.study, {**(recorded or {}), **overrides(given.given)}, progress)


def open_path(path: Path, values: Mapping[str, float | str], progress: TerminalProgress) -> Study:
    """Open a study and keep the voxel cache within its limit.

    Args:
        path: Folder, file or library id.
        values: Entered by the user, by the names of `--set`.
        progress: Told while files are read.

    Raises:
        UsageError: there is no such file, folder or library id.
    """
    limit_bytes = load_settings().settings.voxel_cache_limit_bytes
    place, uid = study_path(path)
    request = OpenRequest(place, values, cache_limit_bytes=limit_bytes, study_uid=uid)
    study = open_study(request, progress)
    progress.clear()
    return study


def study_path(given: Path) -> tuple[Path, str]:
    """Where `STUDY` is: a path that exists, else what the library knows under this id.

    Returns:
        The path, and the UID of the study that the library knows there; empty for a path.

    Raises:
        UsageError: there is no such file, folder or library id.
        ReadError: the library cannot be used, or what it knows is gone.
    """
    if given.exists():
        return given, ""
    if not is_library_id(str(given)):
        raise UsageError(f"STUDY {given} does not exist")
    study = find_study(str(given))
    if study is None:
        raise UsageError(f"the library holds no study {given}; 'kiview library list' shows them")
    if not study.path.exists():
        raise ReadError(
            f"The study {given} is no longer at {study.path}; open it at its new place, or take it"
            f" out of the list by 'kiview library remove {given}'."
        )
    return study.path, study.uid


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


def refuse_without_times(series: Series) -> None:
    """Refuse a series whose frame times are unknown or cannot be right.

    Raises:
        InvalidInputError: with the code of the first reason and what to enter.
    """
    for finding in series.findings:
        asked = [told for name, told in _TIME_FIELDS.items() if name in finding.fields]
        if asked and finding.kinetics is Verdict.REFUSED:
            raise InvalidInputError(
                f"No curve is written, as its times cannot be told ({finding.code}); enter"
                f" {asked[0]} by --set."
            )
