"""Files of the study's folder that were not used, and why."""

import os
from collections import Counter

from kiview.core.study import Study

_MOST_REASONS = 4


def unused_files(study: Study) -> tuple[tuple[str, str], ...]:
    """(path within the study's folder, reason), in the order they were met."""
    within = PathsWithin(study.source)
    return tuple((within(path), reason) for path, reason in study.unused_files)


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


class PathsWithin:
    """Tells paths from a study's folder on; fast, as there may be 100,000."""

    def __init__(self, root: str) -> None:
        """Prepare for paths below `root`."""
        self._prefixes = tuple({root.rstrip("/\\") + separator for separator in (os.sep, "/")})
        self._length = len(self._prefixes[0])

    def __call__(self, path: str) -> str:
        """The part below the folder; of a file elsewhere only the name."""
        if path.startswith(self._prefixes):
            return path[self._length :]
        return os.path.basename(path) if os.path.isabs(path) else path  # noqa: PTH117, PTH119 - fast
