"""What the user entered for a study and is kept with it: values in place of the files', merges."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kiview.core.merge_plan import MergeSettings


@dataclass(frozen=True, slots=True)
class Kept:
    """What the user entered for a study.

    Attributes:
        values: By the names of `--set`.
        merges: How the frames of a series are merged, by its UID; others are as acquired.
    """

    values: Mapping[str, float | str] = field(default_factory=dict)
    merges: Mapping[str, MergeSettings] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the study is as its files say."""
        return not (self.values or self.merges)


NOTHING = Kept()


@dataclass(frozen=True, slots=True)
class Restored:
    """What an opening brought back.

    Attributes:
        kept: What holds again; the images of the study were read with its values.
        left_out: What was kept and does not hold, as far as it could be read.
        reason: Sentence that says why, empty if nothing was left out.
    """

    kept: Kept = NOTHING
    left_out: Kept = NOTHING
    reason: str = ""
