"""Fine-tune a network on added cases: on demand, or when enough of them came together."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kitrain.architecture import loaded_network
from kitrain.bundle import Parent, read_parent, write_update
from kitrain.config import DataConfig, LossConfig, OptimiserConfig
from kitrain.data import Split, make_split, split_of
from kitrain.folds import in_order
from kitrain.groups import GroupError, Origin
from kitrain.leaks import check_splits, refuse_network_references
from kitrain.manifest import GroupEntry
from kitrain.parallel import World, single
from kitrain.people import GroupFolder
from kitrain.records import GroupRecord
from kitrain.targets import Target
from kitrain.train import Groups, Job, accuracy, finished
from kitrain.update_card import Learnt
from kiview.core.errors import InvalidInputError, NetworkError
from kiview.core.progress import Progress
from kiview.nets.catalog import CARD_NAME
from kiview.paths import data_dir, models_dir

SCHEDULE = OptimiserConfig(
    iterations=200, batch=8, learning_rate=1e-4, report_every=40, checkpoint_every=40
)
VALIDATION_SHARE = 0.2
REPLAY_SHARE, LEAST_REPLAY, REPLAY_VALIDATION = 1.0, 8, 4
"""Simulated groups beside the added ones, so that what was learnt from them is not forgotten."""
REPLAY_SEED = 98
"""People that no recipe trains on, so that forgetting is measured on people nobody learnt from."""
MOST_FORGETTING = 0.02
"""Most that the NRMSE to truth on simulated people may grow."""
_PREPARED, _TRAINED = 0.3, 0.9


class UpdateRefused(InvalidInputError):
    """The update would not be better than what it starts from; nothing was written."""


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """One update.

    Attributes:
        network: Id of a user's or shipped network, or its folder.
        groups: Added cases.
        models: Folder of the user's networks, where the new version goes.
        data: Cache of simulated groups.
        at_least: Do nothing before so many new scans came together.
        schedule: Steps of the fine-tuning.
    """

    network: str
    groups: GroupFolder
    models: Path
    data: Path
    at_least: int = 1
    schedule: OptimiserConfig = SCHEDULE


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean NRMSE on people that neither version was trained on.

    Attributes:
        added: Real cases, to their references.
        simulated: To truth.
    """

    added: float
    simulated: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an update came to.

    Attributes:
        folder: The new version, or None where nothing was done.
        message: One sentence.
    """

    folder: Path | None
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Who learns and who judges."""

    train: Split
    validation: Split
    held_out: tuple[list[GroupRecord], list[GroupRecord]]
    """Validation groups, added and simulated."""
    groups: Groups


def update_network(request: UpdateRequest, progress: Progress) -> Outcome:
    """Fine-tune a network on the added groups and a share of simulated ones.

    A fifth of the people who were never trained on judge both versions. The change of the weights
    is added to both ends of the slider, so that the shipped position is the fine-tuned network.

    Raises:
        UpdateRefused: the new version is worse on held-out cases, or has forgotten too much.
        KiviewError: the network or a group cannot be used, or there are too few people.
    """
    parent = read_parent(find_network(request.network, request.models))
    entries = request.groups.entries()
    refuse_network_references(entries)
    known = parent.groups | parent.held_out
    new = {entry.scan for entry in entries if entry.sha256 not in known}
    if len(new) < max(request.at_least, 1):
        told = f"{len(new)} of {max(request.at_least, 1)} new scans; nothing was done."
        return Outcome(None, told)
    people = _people(request, parent, entries, progress.child(0.0, _PREPARED))
    before = parent.run.at(parent.run.shipped_position)
    world = single()
    after = _fine_tuned(request, parent, people, before, progress)
    progress.step(_TRAINED, "Comparing with the version before")
    old, fresh = (_scores(w, parent, people, world) for w in (before, after))
    _refuse_worse(old, fresh)
    learnt = Learnt(
        groups=_added(people.train),
        held_out=_added(people.validation),
        noise_gains=tuple(record.noise_gain for record in people.groups.train),
    )
    results = {
        "validation_added_before": old.added,
        "validation_added": fresh.added,
        "validation_simulated_before": old.simulated,
        "validation_simulated": fresh.simulated,
    }
    moved = {name: after[name].double() - before[name].double() for name in before}
    folder = write_update(parent, moved, request.models, learnt, results)
    return Outcome(
        folder,
        f"{folder.name}: NRMSE on held-out cases {old.added:.3f} -> {fresh.added:.3f}, on"
        f" simulated people {old.simulated:.3f} -> {fresh.simulated:.3f}.",
    )


def user_models_dir() -> Path:
    """Folder of the user's own networks."""
    return data_dir() / "models"


def find_network(name: str, models: Path) -> Path:
    """Folder of a network: given as such, or by id among the user's and the shipped ones.

    Raises:
        NetworkError: there is none.
    """
    for folder in (Path(name), models / name, models_dir() / name):
        if (folder / CARD_NAME).is_file():
            return folder
    raise NetworkError(
        f"There is no network {name!r}, neither as a folder with a {CARD_NAME} nor in {models} or"
        f" {models_dir()}; `kiview models list` shows what is there."
    )


def held_out(subjects: Iterable[str], trained: Iterable[str]) -> frozenset[str]:
    """People who judge: a fifth, at least one, of those whom the network has never learnt from.

    Raises:
        GroupError: nobody would be left to learn from, or nobody to judge.
    """
    known, seen = set(subjects), set(trained)
    fresh = in_order(known - seen)
    count = max(1, round(VALIDATION_SHARE * len(known)))
    chosen = frozenset(fresh[:count])
    if not chosen or not known - chosen:
        raise GroupError(
            f"The added cases are of {len(known)} people, {len(fresh)} of them new to the network;"
            " an update needs one to learn from and a new one to judge it. Add more people."
        )
    return chosen


def _people(
    request: UpdateRequest, parent: Parent, entries: Sequence[GroupEntry], progress: Progress
) -> _People:
    trained = {entry.subject for entry in entries if entry.sha256 in parent.groups}
    judges = held_out((entry.subject for entry in entries), trained)
    paths = dict(zip((e.file for e in entries), request.groups.paths(), strict=True))
    added: Mapping[str, list[Path]] = {
        "train": [paths[e.file] for e in entries if e.subject not in judges],
        "validation": [paths[e.file] for e in entries if e.subject in judges],
    }
    replay = max(LEAST_REPLAY, round(REPLAY_SHARE * len(added["train"])))
    size = DataConfig(replay, REPLAY_VALIDATION, 1, REPLAY_SEED)
    work = request.groups.path / "updates"
    work.mkdir(parents=True, exist_ok=True)
    splits, simulated = {}, {}
    for name, files in added.items():
        progress.step(None, f"Simulated people beside the added ones, {name}")
        simulated[name] = make_split(
            name, size, request.data, lambda line: progress.step(None, line)
        )
        together = [*files, *simulated[name].paths]
        splits[name] = split_of(name, together, work / f"{name}.manifest.json")
    check_splits(*splits.values())
    train, validation = (splits[name].load() for name in ("train", "validation"))
    count = len(added["validation"])
    return _People(
        splits["train"],
        splits["validation"],
        (validation[:count], validation[count:]),
        Groups(train, validation),
    )


def _fine_tuned(
    request: UpdateRequest,
    parent: Parent,
    people: _People,
    start: dict[str, Tensor],
    progress: Progress,
) -> dict[str, Tensor]:
    """Weights after the fine-tuning; an interrupted one of the same groups goes on."""
    said = (parent.card_sha256, people.train.sha256, people.validation.sha256, request.schedule)
    key = hashlib.sha256(repr(said).encode("utf-8")).hexdigest()[:16]
    schedule = request.schedule
    lines = _Lines(
        progress.child(_PREPARED, _TRAINED), 1 + schedule.iterations // schedule.report_every
    )
    job = Job("update", start, parent.run.size, schedule, LossConfig(), Target.BEST)
    folder = request.groups.path / "updates" / key
    return finished(job, people.groups, folder, single(), lines.say).weights


class _Lines:
    """Turns one more line of a training into progress."""

    def __init__(self, progress: Progress, expected: int) -> None:
        self._progress, self._expected, self._said = progress, expected, 0

    def say(self, line: str) -> None:
        self._said = min(self._said + 1, self._expected)
        self._progress.step(self._said / self._expected, line)


def _scores(weights: dict[str, Tensor], parent: Parent, people: _People, world: World) -> Scores:
    network = loaded_network(weights, parent.run.size).to(world.device)
    added, simulated = people.held_out
    with torch.inference_mode():
        found = [accuracy(network, records, Target.BEST) for records in (added, simulated)]
    return Scores(1.0 - found[0], 1.0 - found[1])


def _added(split: Split) -> tuple[str, ...]:
    """Hashes of the added groups of a split."""
    return tuple(entry.sha256 for entry in split.entries if entry.origin == Origin.ADDED)


def _refuse_worse(before: Scores, after: Scores) -> None:
    if not after.added <= before.added:
        raise UpdateRefused(
            f"The update is worse on held-out cases (NRMSE {after.added:.4f} after,"
            f" {before.added:.4f} before), so no new version was made. Add more cases, or check"
            " their curves and references."
        )
    if not after.simulated <= before.simulated * (1.0 + MOST_FORGETTING):
        raise UpdateRefused(
            f"The update has forgotten what the network knew (NRMSE to truth {after.simulated:.4f}"
            f" after, {before.simulated:.4f} before, on simulated people), so no new version was"
            " made. Add more cases, or check their curves and references."
        )
