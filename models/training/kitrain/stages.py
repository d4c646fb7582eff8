"""The order in which the parts of a run are trained."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from kitrain.checkpoint import Trained
from kitrain.config import ConfigError


class Stage(Protocol):
    """One part of a run: takes what earlier parts made, makes one thing of its own."""

    @property
    def name(self) -> str:
        """Of the stage and of what it makes."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the stages whose outcome it begins with."""

    def run(self, done: Mapping[str, Trained]) -> Trained:
        """Make it, or read it where it is there already.

        Args:
            done: Outcomes by name of at least the stages in `needs`.
        """


def run_stages(stages: Sequence[Stage], done: Mapping[str, Trained]) -> dict[str, Trained]:
    """Run stages in their order.

    Args:
        stages: Each after those it needs.
        done: What is there already.

    Returns:
        `done` and the outcome of every stage, by name.

    Raises:
        ConfigError: a stage needs something that no stage before it makes.
    """
    outcomes = dict(done)
    for stage in stages:
        missing = [name for name in stage.needs if name not in outcomes]
        if missing:
            raise ConfigError(
                f"The stage {stage.name!r} needs {missing[0]!r}, made by none before."
            )
        outcomes[stage.name] = stage.run(outcomes)
    return outcomes
