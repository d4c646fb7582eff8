"""The common start of a run: trained, judged, and once repeated when it does not do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kitrain.architecture import new_network
from kitrain.checkpoint import Trained
from kitrain.config import DataConfig, Initialisation, RunConfig
from kitrain.config_file import BASE
from kitrain.data import Report, Split, make_split
from kitrain.leaks import check_splits
from kitrain.parallel import World
from kitrain.train import Groups, Job, finished
from kitrain.verdict import Fit, Verdict, changes, judge


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Training and validation groups of one draw.

    Attributes:
        splits: `train` and `validation`.
        groups: Their features.
    """

    splits: Mapping[str, Split]
    groups: Groups


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens.

    Attributes:
        data: Cache of groups.
        out: Checkpoints, logs and the record.
        world: Processes that train together.
        report: Takes progress lines.
        at_once: Seeds that are trained at once, each by a process of its own.
    """

    data: Path
    out: Path
    world: World
    report: Report
    at_once: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class CommonStart:
    """What every variant begins with.

    Attributes:
        config: As run; network, schedule and draw may be those of the retry.
        people: Of that draw.
        bases: Outcome by seed.
        seed: The one with the best validation.
        verdicts: After each attempt, the last one about `config`.
    """

    config: RunConfig
    people: People
    bases: Mapping[int, Trained]
    seed: int
    verdicts: tuple[Verdict, ...]


def gather(config: DataConfig, place: Place) -> People:
    """Simulate what is not there, check for leaks, load.

    The first process simulates while the others wait.
    """
    names = ("train", "validation")
    if not place.world.is_first:
        place.world.wait()
    splits = {name: make_split(name, config, place.data, place.report) for name in names}
    if place.world.is_first:
        place.world.wait()
    check_splits(*splits.values())
    return People(splits, Groups(splits["train"].load(), splits["validation"].load()))


def common_start(
    config: RunConfig, place: Place, settled: Callable[[RunConfig], None] = lambda _: None
) -> CommonStart:
    """Train the common start from every seed.

    The first seed is judged. If it under- or overfits and the configuration allows it, that
    training is repeated once with the proposed changes and judged on people none of whom validated
    before; the better of both goes on, each by people it had not seen.

    Args:
        config: As asked for.
        place: Where.
        settled: Told the configuration that goes on, before the other seeds are trained.

    Raises:
        ConfigError: the network to go on from has other layers; told before anyone is simulated.
    """
    new_network(config.network, config.seeds[0], config.initial)
    people = gather(config.data, place)
    first = base_of(config, config.seeds[0], people, place)
    verdict = judge(first.history, config.verdict, config.network, config.base)
    place.report(verdict.reason)
    verdicts = [verdict]
    if verdict.fit is not Fit.GOOD and config.verdict.retry:
        changed = _retry_config(config, verdict)
        proposed = replace(verdict, network=changed.network)
        place.report(f"once again with {_listed(changes(proposed, config.network, config.base))}")
        others = gather(changed.data, place)
        again = base_of(changed, config.seeds[0], others, place)
        second = judge(again.history, config.verdict, changed.network, changed.base)
        place.report(second.reason)
        if again.validation <= first.validation:
            config, people, first = changed, others, again
            verdicts.append(second)
        else:
            verdicts.insert(0, second)
    settled(config)
    bases = {config.seeds[0]: first}
    for seed in config.seeds[1:]:
        bases[seed] = base_of(config, seed, people, place)
    best = min(bases, key=lambda seed: bases[seed].validation)
    return CommonStart(config, people, bases, best, tuple(verdicts))


def base_suffix(config: RunConfig) -> str:
    """What tells the files of a repeated common start from those of the first."""
    return f"-draw{config.data.draw}" if config.data.draw else ""


def base_of(config: RunConfig, seed: int, people: People, place: Place) -> Trained:
    """The common start from one seed; read where it is there already."""
    attempt = f"{BASE}-{seed}{base_suffix(config)}"
    start = new_network(config.network, seed, config.initial).state_dict()
    job = Job(attempt, start, config.network, config.base, config.loss, seed=seed, stop=config.stop)
    return finished(job, people.groups, place.out, place.world, place.report)


def _retry_config(config: RunConfig, verdict: Verdict) -> RunConfig:
    """As the verdict proposes; a network that goes on from another keeps its size."""
    data = replace(config.data, draw=config.data.draw + 1)
    goes_on = config.initial.kind is Initialisation.NETWORK
    network = config.network if goes_on else verdict.network
    return replace(config, data=data, network=network, base=verdict.schedule)


def _listed(changed: Mapping[str, tuple[object, object]]) -> str:
    parts = [f"{name} {now} -> {then}" for name, (now, then) in changed.items()]
    return ", ".join([*parts, "other validation people"])
