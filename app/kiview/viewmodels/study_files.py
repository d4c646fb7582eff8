"""Files of the study's folder that were not used, and why."""

import os
from collections import Counter

from kiview.core.study import Study

_MOST_REASONS = 4


def unused_files(study: Study) -> tuple[tuple[str, str], ...]:
    """(path within the study's folder, reason), in the order they were met."""
    root = study.source.rstrip("/\\")
    return tuple((_within(root, path), reason) for path, reason in study.unused_files)


def unused_summary(study: Study) -> str:
    """How many files were not used, and the most common reasons."""
    if not study.unused_files:
        return "Every file of this study was used."
    counts = Counter(reason for _, reason in study.unused_files)
    told = [f"{count}: {reason}" for reason, count in counts.most_common(_MOST_REASONS)]
    more = len(counts) - len(told)
    others = [f"{more} other reasons below"] if more > 0 else []
    total = len(study.unused_files)
    files = "1 file was" if total == 1 else f"{total} files were"
    return f"{files} not used. {'; '.join((*told, *others))}."


def unused_text(study: Study) -> str:
    """The list as text, one file a line with a tab before its reason."""
    lines = ["path\treason", *(f"{path}\t{reason}" for path, reason in unused_files(study))]
    return "\n".join(lines) + "\n"


def _within(root: str, path: str) -> str:
    """The part of a path below the study's folder; elsewhere only the name."""
    for separator in {os.sep, "/"}:
        if root and path.startswith(root + separator):
            return path[len(root) + 1 :]
    return os.path.basename(path) if os.path.isabs(path) else path  # noqa: PTH117, PTH119 - fast
