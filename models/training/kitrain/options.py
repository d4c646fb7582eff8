"""What the commands of kitrain take."""

import argparse
import math
from pathlib import Path

from kitrain.people import user_groups
from kitrain.update import user_models_dir
from kiview.paths import cache_dir

RECIPES = ("smoke", "reduced", "full")
_TEST_SLABS = 48
_SECONDS_PER_MINUTE = 60.0


def make_parser(training: Path) -> argparse.ArgumentParser:
    """The parser of all commands.

    Args:
        training: Folder that holds `configs`, below the folder of networks.
    """
    parser = argparse.ArgumentParser(prog="kitrain", description="Train networks for KiView.")
    commands = parser.add_subparsers(dest="command", required=True)
    for recipe in RECIPES:
        command = commands.add_parser(recipe, help=f"simulate, train, export: {recipe}.toml")
        command.add_argument("--config", type=Path, help="another configuration than the recipe's")
        command.add_argument("--out", type=Path, default=training / "runs" / recipe)
        command.add_argument("--skip-evaluation", action="store_true")
        command.add_argument(
            "--at-once", type=int, default=1, metavar="N", help="train N seeds at once"
        )
    command = commands.add_parser("curve", help="train a curve network alone, beside a network")
    command.add_argument("--network", type=Path, required=True, help="whose maps it sees")
    command.add_argument("--config", type=Path, default=training / "configs" / "full.toml")
    command.add_argument("--out", type=Path, default=training / "runs" / "curve")
    command.add_argument("--seed", type=int, help="another one than the configuration's")
    command = commands.add_parser("joint", help="train a network and a curve network together")
    command.add_argument("--network", type=Path, required=True, help="that makes the maps")
    command.add_argument("--curve", type=Path, required=True, help="folder of the curve network")
    command.add_argument("--config", type=Path, default=training / "configs" / "full.toml")
    command.add_argument("--out", type=Path, default=training / "runs" / "joint")
    command = commands.add_parser("calibrate", help="fit anew how sure a network is of itself")
    command.add_argument("--network", type=Path, required=True, help="its folder, written anew")
    command.add_argument("--config", type=Path, default=training / "configs" / "full.toml")
    command = commands.add_parser("export", help="make a network folder from a finished run")
    command.add_argument("--run", type=Path, required=True)
    command.add_argument("--to", type=Path, default=training.parent, help="folder of networks")
    command = commands.add_parser("compare", help="score every variant of a finished run")
    command.add_argument("--run", type=Path, required=True)
    command.add_argument("--slabs", type=int, default=_TEST_SLABS)
    _add_workers(command)
    _add_evaluate(commands.add_parser("evaluate", help="score a network folder on fresh phantoms"))
    _add_add(commands.add_parser("add", help="add real cases to learn from", usage=_ADD_USAGE))
    _add_update(commands.add_parser("update", help="fine-tune a network on added cases"))
    for command in commands.choices.values():
        command.add_argument("--data", type=Path, default=cache_dir() / "training-groups")
    return parser


_ADD_USAGE = (
    "kitrain add STUDY ... --curve FILE.tsv ... --reference FILE.nii.gz ..."
    " (as many curves and maps as studies, in their order)"
)


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--network", type=Path, required=True)
    command.add_argument("--slabs", type=int, default=_TEST_SLABS)
    command.add_argument("--bodies", type=int, default=6, help="whole bodies: hot spots, pictures")
    command.add_argument("--direct", type=Path, help="network to compare an `indep` one with")
    command.add_argument("--run", type=Path, help="training that it came of: judges every seed")
    command.add_argument(
        "--ki", type=Path, help="network that makes maps with the curves of a curve network"
    )
    command.add_argument(
        "--seeds", type=Path, nargs="+", default=[], help="the curve network from other seeds"
    )
    command.add_argument("--seed", type=int, default=1, help="another seed, other phantoms")
    command.add_argument("--conditions", type=int, default=8, metavar="SLABS")
    command.add_argument(
        "--counts",
        type=int,
        default=_TEST_SLABS,
        metavar="SLABS",
        help="scans with few and with many counts, where each tissue's uncertainty is judged",
    )
    _add_workers(command)
    written = command.add_mutually_exclusive_group()
    written.add_argument("--write", action="store_true", help="put the results into the card")
    written.add_argument(
        "--confirm",
        action="store_true",
        help="write CONFIRMATION.md instead: use with a --seed that nothing was chosen with",
    )


def _add_workers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workers", type=int, default=0, metavar="N", help="scans at once; one per core"
    )


def _add_add(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", type=Path, nargs="+", help="folder, DICOM or NIfTI file")
    command.add_argument("--curve", type=Path, nargs="+", required=True, help="plasma curve, TSV")
    command.add_argument("--reference", type=Path, nargs="+", help="Ki map of the same counts")
    command.add_argument("--independent", type=Path, nargs="+", help="Ki map of other counts")
    command.add_argument("--frames", type=window_s, help="from-to in min, for example 30-60")
    command.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--subject", default="", help="who, where the files do not say")
    command.add_argument("--groups", type=Path, default=user_groups().path)


def _add_update(command: argparse.ArgumentParser) -> None:
    command.add_argument("--network", required=True, help="id, or folder of a network")
    command.add_argument(
        "--when-at-least", type=int, default=1, dest="at_least", help="new scans, else do nothing"
    )
    command.add_argument("--json-progress", action="store_true", help="one JSON object a line")
    command.add_argument("--groups", type=Path, default=user_groups().path)
    command.add_argument("--to", type=Path, default=user_models_dir(), help="folder of networks")


def window_s(text: str) -> tuple[float, float]:
    """A time window like `30-60` in minutes, as seconds."""
    first, dash, last = text.partition("-")
    try:
        start, end = float(first), float(last)
    except ValueError:
        start = end = math.nan
    if not dash or not 0 <= start < end < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no window; write for example 30-60")
    return start * _SECONDS_PER_MINUTE, end * _SECONDS_PER_MINUTE


def assignment(text: str) -> tuple[str, str]:
    """One `KEY=VALUE`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no KEY=VALUE")
    return key, value
