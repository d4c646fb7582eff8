"""Command line: `python -m kitrain smoke|reduced|full|calibrate|evaluate|...`."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kitrain import bundle, curve_bundle, curve_judge, pipeline
from kitrain.add import AddRequest, groups_of, read_material
from kitrain.architecture import MODELS
from kitrain.calibrated import calibrate_network
from kitrain.common_start import Place
from kitrain.compare import compare_variants
from kitrain.config import ConfigError, JudgeConfig, RunConfig, as_table
from kitrain.config_file import read_config
from kitrain.curve_refusal import Asked, decide_refusals
from kitrain.evaluate import Effort, judge_network
from kitrain.joint_bundle import JointRecipe, make_joint_networks
from kitrain.manifest import write_whole
from kitrain.options import make_parser
from kitrain.parallel import joined
from kitrain.people import GroupFolder
from kitrain.report import report_text, write_confirmation
from kitrain.results import title_of, write_results
from kitrain.targets import Target
from kitrain.update import UpdateRequest, update_network
from kiview.core.errors import InvalidInputError, KiviewError
from kiview.core.progress import CallbackProgress
from kiview.io.frame_store import VoxelCache
from kiview.nets.catalog import load_catalog
from kiview.paths import voxel_cache_dir

_TRAINING = Path(__file__).resolve().parents[1]
_SLIDER = (0.0, 0.25, 0.5, 0.75, 1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = make_parser(_TRAINING).parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "export": _export,
        "evaluate": _evaluate,
        "compare": _compare,
        "curve": _curve,
        "joint": _joint,
        "calibrate": _calibrate,
        "add": _add,
        "update": _update,
    }
    try:
        return commands.get(options.command, _train)(options)
    except (KiviewError, FileNotFoundError) as error:
        sys.stderr.write(f"kitrain: {error}\n")
        return 1


def _train(options: argparse.Namespace) -> int:
    config = read_config(options.config or _TRAINING / "configs" / f"{options.command}.toml")
    with joined() as world:
        say = _say if world.is_first else _keep_quiet
        place = Place(options.data, options.out, world, say, options.at_once)
        finished = pipeline.run(config, place)
    if not world.is_first:
        return 0
    folder = bundle.write_bundle(finished, options.out, options.command)
    if config.calibration is not None:
        calibrate_network(folder, config.calibration, options.command, options.data, _say)
    _say(f"wrote {folder}")
    curves = _train_curves(config, folder, options)
    if options.skip_evaluation:
        return 0
    judged = _judge_all(config, folder, curves, options)
    return 0 if options.command == "smoke" else max(judged)


def _judge_all(
    config: RunConfig, folder: Path, curves: Mapping[Path, Path], options: argparse.Namespace
) -> list[int]:
    """Judge every network of a run, written beside its card; the exit statuses."""
    variants = {
        target: folder.with_name(f"{folder.name}-{name}")
        for name, target in pipeline.final_variants(as_table(config)["variants"]).items()
    }
    direct, independent = variants.get(Target.DIRECT), variants.get(Target.INDEPENDENT)
    more = asdict(config.judge or JudgeConfig())
    asked: list[dict[str, Any]] = [
        {"network": folder, "run": options.out, **more},
        {"network": direct, "run": options.out},
        {"network": independent, "run": options.out, "direct": direct},
        *({"network": curve, "ki": ki, **more, "bodies": 0} for curve, ki in curves.items()),
        *({"network": ki} for ki in curves.values() if ki != folder),
    ]
    told: dict[str, Any] = {
        "direct": None,
        "ki": None,
        "run": None,
        "slabs": config.data.test,
        "seed": config.data.seed,
        "write": True,
        "confirm": False,
        "data": options.data,
        "seeds": [],
        "workers": config.data.workers,
        **asdict(JudgeConfig()),
    }
    return [_evaluate(argparse.Namespace(**told | one)) for one in asked if one["network"]]


def _train_curves(config: RunConfig, folder: Path, options: argparse.Namespace) -> dict[Path, Path]:
    """The curve networks of a run, each with the network that makes maps beside it.

    One alone, where asked for, and one trained together with the other.
    """
    if config.curve is None:
        return {}
    recipe = curve_bundle.Recipe(config.curve, config.data, folder, options.command)
    made = curve_bundle.make_curve_network(recipe, options.data, options.out, _say)
    _decide_refusals(made, config, options.command, options, folder.parent)
    _say(f"wrote {made}")
    if config.joint is None:
        return {made: folder}
    both = JointRecipe(config.joint, config.data, folder, made, config.loss)
    ki, curve = make_joint_networks(both, options.data, options.out, _say)
    _decide_refusals(curve, config, options.command, options, folder.parent)
    _say(f"wrote {ki}")
    _say(f"wrote {curve}")
    return {made: folder, curve: ki}


def _decide_refusals(
    folder: Path, config: RunConfig, command: str, options: argparse.Namespace, networks: Path
) -> bool:
    people = 0 if config.curve is None else config.curve.refusal_people
    asked = Asked(people, config.data, networks, command, options.data)
    return people > 0 and decide_refusals(folder, asked, _say)


def _export(options: argparse.Namespace) -> int:
    finished = pipeline.load_run(options.run)
    _say(f"wrote {bundle.write_bundle(finished, options.to, 'full')}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    people = (options.slabs, options.conditions, options.counts, options.bodies)
    effort = Effort(*people, seed=options.seed, workers=options.workers)
    if curve_bundle.is_curve_network(options.network):
        return _evaluate_curve(options, effort)
    run = bundle.read_bundle(options.network)
    direct = None if options.direct is None else bundle.read_bundle(options.direct)
    seeds = None if options.run is None else pipeline.load_seeds(options.run, run)
    judged = judge_network(run, effort, options.data, _say, direct, seeds)
    judged = replace(judged, asked=_asked(options))
    text = report_text(judged, options.network.name, title_of(options.network))
    _say(text)
    if options.write:
        write_results(options.network, judged)
    if options.confirm:
        write_confirmation(options.network, text)
    return 0 if judged.passed else 1


def _compare(options: argparse.Namespace) -> int:
    text = compare_variants(options.run, options.slabs, options.data, options.workers, _say)
    write_whole(options.run / "VARIANTS.md", text)
    _say(text)
    return 0


def _asked(options: argparse.Namespace) -> str:
    """What a report has to say of the command besides how much was judged."""
    direct = "" if options.direct is None else f" --direct models/{options.direct.name}"
    run = "" if options.run is None else f" --run runs/{options.run.name}"
    return direct + run + (" --confirm" if options.confirm else "")


def _evaluate_curve(options: argparse.Namespace, effort: Effort) -> int:
    ki_folder = options.ki or load_catalog(MODELS).default.network.path.parent
    args = (options.network, effort, options.data, _say, ki_folder)
    judged = curve_judge.judge_curve_network(*args, seeds=options.seeds)
    judged = replace(judged, asked=_asked(options))
    text = curve_judge.report_text(options.network, judged)
    _say(text)
    if options.write:
        curve_judge.write_curve_results(options.network, judged)
    if options.confirm:
        write_confirmation(options.network, text)
    return 0 if judged.passed else 1


def _curve(options: argparse.Namespace) -> int:
    config = read_config(options.config)
    if config.curve is None:
        raise ConfigError(f"{options.config.name} has no [curve]; give a --config that has.")
    recipe, curve = f"curve --network models/{options.network.name}", config.curve
    if options.seed is not None:
        recipe, curve = f"{recipe} --seed {options.seed}", replace(curve, seed=options.seed)
    made = curve_bundle.Recipe(curve, config.data, options.network, recipe)
    folder = curve_bundle.make_curve_network(made, options.data, options.out, _say)
    _decide_refusals(folder, config, recipe, options, options.network.parent)
    _say(f"wrote {folder}")
    return 0


def _joint(options: argparse.Namespace) -> int:
    config = read_config(options.config)
    if config.joint is None:
        raise ConfigError(f"{options.config.name} has no [joint]; give a --config that has.")
    recipe = JointRecipe(config.joint, config.data, options.network, options.curve, config.loss)
    ki, curve = make_joint_networks(recipe, options.data, options.out, _say)
    _decide_refusals(curve, config, recipe.command, options, options.curve.parent)
    _say(f"wrote {ki}")
    _say(f"wrote {curve}")
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    config = read_config(options.config)
    recipe = f"calibrate --network models/{options.network.name}"
    if curve_bundle.is_curve_network(options.network):
        if config.curve is None or not config.curve.refusal_people:
            raise ConfigError(f"{options.config.name} has no refusal_people in a [curve] to ask.")
        if not _decide_refusals(options.network, config, recipe, options, options.network.parent):
            return 1
        _say(f"wrote {options.network}")
        return 0
    if config.calibration is None:
        raise ConfigError(f"{options.config.name} has no [calibration]; give a --config that has.")
    if not calibrate_network(options.network, config.calibration, recipe, options.data, _say):
        return 1
    _say(f"wrote {options.network}")
    return 0


def _add(options: argparse.Namespace) -> int:
    folder, cache = GroupFolder(options.groups), VoxelCache(voxel_cache_dir())
    for name in ("curve", "reference", "independent"):
        given = getattr(options, name)
        if given is not None and len(given) != len(options.study):
            raise InvalidInputError(
                f"{len(options.study)} studies but {len(given)} files for --{name}; give one each."
            )
    nothing: list[None] = [None] * len(options.study)
    cases = zip(
        options.study,
        options.curve,
        options.reference or nothing,
        options.independent or nothing,
        strict=True,
    )
    for study, curve, reference, independent in cases:
        request = AddRequest(
            study,
            curve,
            reference,
            independent,
            options.frames,
            dict(options.set),
            options.subject,
        )
        groups = groups_of(read_material(request, cache), request, folder.salt())
        entries = folder.add(groups)
        _say(f"added {len(entries)} groups of {study} as person {entries[0].subject}")
    return 0


def _update(options: argparse.Namespace) -> int:
    request = UpdateRequest(
        options.network, GroupFolder(options.groups), options.to, options.data, options.at_least
    )
    say = _say_json if options.json_progress else _say_progress
    outcome = update_network(request, CallbackProgress(say))
    say(1.0, outcome.message)
    return 0


def _say_json(fraction: float | None, message: str) -> None:
    _say(json.dumps({"fraction": fraction, "message": message}))


def _say_progress(fraction: float | None, message: str) -> None:
    _say(message if fraction is None else f"{100 * fraction:3.0f} % {message}")


def _keep_quiet(line: str) -> None:
    """What processes other than the first have to say."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
