"""`kiview library`: the studies that were opened in the window, and the disk space they take."""

import argparse
from pathlib import Path

from kiview.commands.opening import open_path
from kiview.commands.terminal import (
    DONE,
    TerminalProgress,
    UsageError,
    note,
    say,
    say_json,
    say_table,
)
from kiview.core.provenance import JsonValue
from kiview.core.study import Finding
from kiview.jobs.library import (
    ListRequest,
    RecordRequest,
    RemoveRequest,
    list_studies,
    prune_cache,
    record_study,
    remove_study,
)
from kiview.library.library import LibraryListing, LibraryQuery
from kiview.library.records import LibrarySort, LibraryStudy, is_library_id
from kiview.settings.store import load as load_settings

_GB = 1e9
_NO_LIMIT = 1_000_000
"""Studies that the command line lists at most."""


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """List, add or remove studies, or bring the cache below its limit."""
    _refuse_what_does_not_belong(given)
    if given.action == "list":
        _list(given, progress)
    elif given.action == "add":
        _add(given, progress)
    elif given.action == "remove":
        _remove(given, progress)
    else:
        _prune(given)
    return DONE


def record(study: LibraryStudy) -> dict[str, JsonValue]:
    """A study for `--json`."""
    return {
        "id": study.library_id,
        "uid": study.uid,
        "path": str(study.path).encode("utf-8", "replace").decode("utf-8"),
        "patient_name": study.patient_name,
        "patient_id": study.patient_id,
        "study_date": study.study_date,
        "tracer": study.tracer,
        "frame_count": study.frame_count,
        "file_count": study.file_count,
        "size_bytes": study.size_bytes,
    }


def _refuse_what_does_not_belong(given: argparse.Namespace) -> None:
    if given.action in ("add", "remove") and not given.words:
        raise UsageError(f"'library {given.action}' needs at least one study")
    if given.action == "prune" and given.words:
        raise UsageError("'library prune' takes --limit-gb only")
    if given.json and given.action != "list":
        raise UsageError("--json belongs to 'library list'")
    if given.limit_gb is not None and given.action != "prune":
        raise UsageError("--limit-gb belongs to 'library prune'")
    if given.action == "remove":
        for word in given.words:
            if not is_library_id(word):
                raise UsageError(f"{word!r} is no library id; 'kiview library list' shows them")


def _list(given: argparse.Namespace, progress: TerminalProgress) -> None:
    query = LibraryQuery(" ".join(given.words), LibrarySort(given.sort), _NO_LIMIT)
    listing = list_studies(ListRequest(query, repair=True), progress)
    progress.clear()
    _note(listing.findings)
    if given.json:
        say_json({"studies": [record(study) for study in listing.studies]})
        return
    _say_listing(listing)


def _say_listing(listing: LibraryListing) -> None:
    if not listing.studies:
        say("No study found; opening one in the window, or 'kiview library add', lists it.")
        return
    rows = [("id", "name", "date", "tracer", "frames", "path")]
    for study in listing.studies:
        frames = str(study.frame_count)
        name = study.patient_name or study.patient_id
        path = str(record(study)["path"])
        rows.append((study.library_id, name, study.study_date, study.tracer, frames, path))
    say_table(rows)


def _add(given: argparse.Namespace, progress: TerminalProgress) -> None:
    for word in given.words:
        path = Path(word)
        study = open_path(path, {}, progress)
        library_id, findings = record_study(RecordRequest(study, path), progress)
        progress.clear()
        _note(findings)
        say(library_id)


def _remove(given: argparse.Namespace, progress: TerminalProgress) -> None:
    for word in given.words:
        remove_study(RemoveRequest(word), progress)
        progress.clear()
        say(f"{word} removed; its files are where they were")


def _prune(given: argparse.Namespace) -> None:
    limit_gb = given.limit_gb
    if limit_gb is None:
        limit_gb = load_settings().settings.voxel_cache_limit_gb
    report = prune_cache(round(limit_gb * _GB))
    say(
        f"{report.removed_count} entries removed, {report.freed_bytes / _GB:.2f} GB freed,"
        f" {report.left_bytes / _GB:.2f} GB kept (limit {limit_gb:g} GB)"
    )
    if report.in_use_count:
        note(f"{report.in_use_count} entries are open in a KiView window and were kept")


def _note(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        note(f"{finding.code}: {finding.message}")
