"""Command line: `python -m kitrain smoke|reduced|full|evaluate|export`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kitrain import bundle, pipeline
from kitrain.common_start import Place
from kitrain.conditions import conditions_table, evaluate_conditions
from kitrain.config import DataConfig
from kitrain.config_file import read_config
from kitrain.data import make_split
from kitrain.evaluate import (
    all_methods,
    evaluate,
    evaluate_v,
    slider_path,
    table,
    v_table,
    verdict,
)
from kitrain.leaks import check_splits
from kitrain.parallel import joined
from kiview.core.errors import KiviewError
from kiview.paths import cache_dir

_TRAINING = Path(__file__).resolve().parents[1]
_RECIPES = ("smoke", "reduced", "full")
_TEST_SLABS = 24
_SLIDER = (0.0, 0.25, 0.5, 0.75, 1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command in _RECIPES:
            return _train(options)
        if options.command == "evaluate":
            return _evaluate(options)
        return _export(options)
    except (KiviewError, FileNotFoundError) as error:
        sys.stderr.write(f"kitrain: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kitrain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for recipe in _RECIPES:
        command = commands.add_parser(recipe, help=f"simulate, train, export: {recipe}.toml")
        command.add_argument("--out", type=Path, default=_TRAINING / "runs" / recipe)
        command.add_argument("--config", type=Path, help="another configuration than that recipe's")
        command.add_argument("--skip-evaluation", action="store_true")
    command = commands.add_parser("export", help="make a network folder from a finished run")
    command.add_argument("--run", type=Path, required=True)
    command.add_argument("--to", type=Path, default=_TRAINING.parent, help="folder of networks")
    command = commands.add_parser("evaluate", help="score a network folder on fresh phantoms")
    command.add_argument("--network", type=Path, required=True)
    command.add_argument("--slabs", type=int, default=_TEST_SLABS)
    command.add_argument("--seed", type=int, default=1, help="another seed, other phantoms")
    command.add_argument("--conditions", type=int, default=0, metavar="SLABS")
    command.add_argument("--write", action="store_true", help="put the results into the card")
    for command in commands.choices.values():
        command.add_argument("--data", type=Path, default=cache_dir() / "training-slabs")
    return parser


def _train(options: argparse.Namespace) -> int:
    config = read_config(options.config or _TRAINING / "configs" / f"{options.command}.toml")
    with joined() as world:
        say = _say if world.is_first else _keep_quiet
        finished = pipeline.run(config, Place(options.data, options.out, world, say))
    if not world.is_first:
        return 0
    folder = bundle.write_bundle(finished, options.out, options.command)
    _say(f"wrote {folder}")
    if options.skip_evaluation:
        return 0
    evaluated = argparse.Namespace(
        network=folder,
        slabs=config.data.test,
        conditions=0,
        seed=config.data.seed,
        write=True,
        data=options.data,
    )
    status = _evaluate(evaluated)
    return 0 if options.command == "smoke" else status


def _export(options: argparse.Namespace) -> int:
    finished = pipeline.load_run(options.run)
    _say(f"wrote {bundle.write_bundle(finished, options.to, 'full')}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    run = bundle.read_bundle(options.network)
    weights = run.at(run.shipped_position)
    size = DataConfig(train=1, validation=1, test=options.slabs, seed=options.seed)
    split = make_split("test", size, options.data, _say)
    check_splits(split)
    records = split.load()
    evaluation = evaluate(all_methods(weights, run.width), records, _say)
    path = slider_path(run.at, _SLIDER, run.width, records)
    tables = {
        "table": table(evaluation.scores),
        "v_table": v_table(evaluate_v(weights, run.width, records)),
        "slider": table({f"slider at {a:g}": row for a, row in path.items()}),
        "conditions": "(not computed)",
    }
    if options.conditions:
        size = replace(size, test=options.conditions)
        found = evaluate_conditions(weights, run.width, size, options.data, _say)
        tables["conditions"] = conditions_table(found)
    _say("\n\n".join([*tables.values(), verdict(evaluation)]))
    if options.write:
        bundle.write_results(options.network, evaluation, tables, vars(options))
    return 0 if evaluation.passed else 1


def _keep_quiet(line: str) -> None:
    """What processes other than the first have to say."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
