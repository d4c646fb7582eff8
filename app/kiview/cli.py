"""The `kiview` command: opens the window, or runs one subcommand without it.

Exit codes: 0 done; 1 the work could not be done, the reason is one line on stderr; 2 usage; 130
stopped by Ctrl-C. Results go to stdout or files, progress and findings to stderr.
"""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from kiview import __version__
from kiview.commands import arguments
from kiview.commands.terminal import (
    FAILED,
    STOPPED,
    USAGE,
    TerminalProgress,
    UsageError,
    note,
    stop_on_interrupt,
)
from kiview.core.errors import KiviewError
from kiview.core.progress import Cancelled
from kiview.jobs.export import ExportFormat

_INTENDED_USE = "Research use only. Not for diagnosis or treatment decisions."
_REGION_HELP = "region JSON, NIfTI mask, RT structure set or DICOM segmentation"

Handler = Callable[[argparse.Namespace, TerminalProgress], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Words after the program's name; None takes those of the process.

    Returns:
        Exit code.
    """
    if argv is None:
        _prepare_process()
    given = list(sys.argv[1:] if argv is None else argv)
    logging.getLogger("kiview").addHandler(logging.NullHandler())
    try:
        arguments_ = _parser(given).parse_args(given)
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else USAGE
    return _run(arguments_.handler, arguments_)


def _prepare_process() -> None:
    """Keep libraries from talking to the user, and give words a place without a terminal."""
    if not sys.warnoptions:  # python -W shows them
        warnings.simplefilter("ignore")
    # Without a console, or after `>&-`, there are no streams; these live as long as the process.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _run(handler: Handler, given: argparse.Namespace) -> int:
    """Run a subcommand and turn what may go wrong into one line and an exit code."""
    # The window has its own way to stop work; Ctrl-C in its terminal closes it.
    interrupts = nullcontext() if handler is _window else stop_on_interrupt()
    with interrupts as stopped:
        progress = TerminalProgress(stopped)
        try:
            reason, code = "", handler(given, progress)
            sys.stdout.flush()
        except UsageError as error:
            reason, code = f"usage: {error}", USAGE
        except KiviewError as error:
            reason, code = " ".join(str(error).split()), FAILED
        except BrokenPipeError:  # the reader of stdout has seen enough, as in `kiview info | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            reason, code = "", FAILED
        except OSError as error:
            reason, code = _os_reason(error), FAILED
        except MemoryError:
            reason, code = "The memory of this computer is used up; close other programs.", FAILED
        except (Cancelled, KeyboardInterrupt):
            reason, code = "Stopped; nothing half-written was left.", STOPPED
        progress.clear()
    if reason:
        note(f"kiview: {reason}")
    return code


def _os_reason(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}"


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Parser of the subcommand that is named first, else of the window."""
    return _command_parser() if given and given[0] in COMMANDS else _window_parser()


def _window_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiview",
        description=f"Viewer for dynamic PET with parametric maps. {_INTENDED_USE}",
        epilog="Without the window: kiview " + "|".join(COMMANDS) + " --help",
    )
    parser.add_argument("study", nargs="?", type=arguments.path, metavar="STUDY", help="to open")
    parser.add_argument("--demo", action="store_true", help="open the demo study")
    parser.add_argument(
        "--offscreen-output",
        type=arguments.path,
        metavar="DIR",
        help="with --demo: compute without a display and write pictures, maps and numbers to DIR",
    )
    parser.add_argument("--version", action="version", version=f"KiView {__version__}")
    parser.set_defaults(handler=_window)
    return parser


def _window(given: argparse.Namespace, _progress: TerminalProgress) -> int:
    """Open the viewer."""
    if given.offscreen_output is not None and not given.demo:
        raise UsageError("--offscreen-output needs --demo")
    if given.demo and given.study is not None:
        raise UsageError("give a STUDY or --demo, not both")
    from kiview.commands.opening import study_path  # noqa: PLC0415 - not needed for usage errors

    study = None if given.study is None else study_path(given.study)
    from kiview import application  # noqa: PLC0415 - Qt is loaded for the window only

    return application.run(study=study, demo=given.demo, offscreen_output=given.offscreen_output)


def _command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiview", description=_INTENDED_USE)
    commands = parser.add_subparsers(required=True)
    for name, (add, text) in COMMANDS.items():
        add(commands.add_parser(name, help=text, description=f"{text} {_INTENDED_USE}"))
    return parser


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "study",
        type=arguments.path,
        metavar="STUDY",
        help="folder, zip archive, DICOMDIR, DICOM, NIfTI, ECAT 7 (.v) or Analyze file, or library"
        " id",
    )
    parser.add_argument(
        "--set",
        dest="given",
        action="append",
        type=arguments.assignment,
        metavar="NAME=VALUE",
        help="what the files lack or have wrong, recorded as user-given: weight_kg, height_m,"
        " dose_bq, injection_time, half_life_s, units, decay_correction, frame_start_s,"
        " frame_duration_s (and frame_series, the UID of the one series they are for)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, type=arguments.path, metavar="PATH", help="where to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of the same name")


def _add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust-position",
        action="store_true",
        help="take structures whose frame of reference is not known to be the image's",
    )


def _add_info(parser: argparse.ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(handler=_info)


def _add_curve(parser: argparse.ArgumentParser) -> None:
    _add_study(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--roi", type=arguments.path, metavar="FILE[:NAME]", help=_REGION_HELP)
    source.add_argument(
        "--aorta",
        choices=["auto"],
        help="let a network find blood and write the plasma curve that it estimates",
    )
    parser.add_argument(
        "--region", default="", metavar="NAME", help="region of a file with several"
    )
    _add_trust(parser)
    parser.add_argument(
        "--frames",
        type=arguments.window_s,
        metavar="A-B",
        help="with --aorta auto: minutes of the frames looked at (30-60)",
    )
    _add_output(parser)
    parser.set_defaults(handler=_curve)


def _add_map(parser: argparse.ArgumentParser) -> None:
    _add_study(parser)
    parser.add_argument(
        "--input",
        type=arguments.input_word,
        metavar="INPUT",
        help="curve (BIDS, CSV, PMOD, Turku), population[:NAME], aorta:ROI, network (finds blood)",
    )
    parser.add_argument(
        "--roi", type=arguments.path, metavar="FILE[:NAME]", help="blood region, scales population"
    )
    _add_trust(parser)
    parser.add_argument(
        "--region",
        default="",
        metavar="NAME",
        help="region or curve of a file with several",
    )
    parser.add_argument(
        "--scale-window",
        type=arguments.window_s,
        metavar="A-B",
        help="minutes over which a population curve is scaled to the region (30-60)",
    )
    parser.add_argument(
        "--method",
        type=arguments.words(arguments.Method),
        metavar="METHOD,...",
        help="patlak, network",
    )
    parser.add_argument(
        "--frames",
        type=arguments.window_s,
        metavar="A-B",
        help="minutes of the frames used (30-60)",
    )
    parser.add_argument(
        "--merge",
        type=arguments.merge_word,
        metavar="MIN[@START]",
        help="merge frames into longer ones of MIN minutes from START min after injection on (from"
        " the first frame of --frames), before anything is computed; for example 10@30",
    )
    _add_network(parser)
    parser.add_argument(
        "--format",
        type=arguments.words(ExportFormat),
        default=(ExportFormat.NIFTI,),
        metavar="FORMAT,...",
        help="nifti, dicom, pm (nifti)",
    )
    _add_output(parser)
    parser.set_defaults(handler=_map)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network", default="", metavar="ID[@VERSION]", help="network, else the default one"
    )
    parser.add_argument(
        "--weights",
        type=arguments.path,
        metavar="FILE",
        help="weight set of the network, .json or .safetensors; results are marked MODIFIED",
    )
    parser.add_argument(
        "--no-tie", action="store_true", help="do not tie the network's map to Patlak"
    )
    parser.add_argument(
        "--from-record",
        type=arguments.path,
        metavar="FILE.json",
        help="compute the network map that this record lies beside again, in place of --input,"
        " --method and what belongs to them",
    )


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=arguments.path, metavar="MAP_A", help="reference map")
    parser.add_argument("second", type=arguments.path, metavar="MAP_B", help="other map")
    parser.add_argument("--rois", type=arguments.path, metavar="FILE[:NAME]", help=_REGION_HELP)
    _add_trust(parser)
    _add_output(parser)
    parser.set_defaults(handler=_compare)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(handler=_doctor)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "verify", "evaluate"])
    parser.add_argument(
        "network",
        nargs="?",
        default="",
        metavar="ID[@VERSION]",
        help="one network, else all; for evaluate the default one",
    )
    parser.add_argument(
        "--weights",
        type=arguments.path,
        metavar="FILE",
        help="evaluate: weight set to score beside the installed weights, .json or .safetensors",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(handler=_models)


def _add_library(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "add", "remove", "prune"])
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="list: words to search for; add: studies; remove: library ids",
    )
    parser.add_argument(
        "--sort",
        choices=["recent", "name", "date", "tracer"],
        default="recent",
        help="order of the list (recent)",
    )
    parser.add_argument(
        "--limit-gb",
        type=arguments.size_gb,
        metavar="GB",
        help="prune: most to keep of imported studies, else the limit of the settings",
    )
    parser.add_argument("--json", action="store_true", help="list: one JSON document on stdout")
    parser.set_defaults(handler=_library)


def _info(given: argparse.Namespace, progress: TerminalProgress) -> int:
    from kiview.commands import info  # noqa: PLC0415 - each command loads what it needs

    return info.run(given, progress)


def _curve(given: argparse.Namespace, progress: TerminalProgress) -> int:
    from kiview.commands import curve  # noqa: PLC0415 - each command loads what it needs

    return curve.run(given, progress)


def _map(given: argparse.Namespace, progress: TerminalProgress) -> int:
    from kiview.commands import maps  # noqa: PLC0415 - each command loads what it needs

    return maps.run(given, progress)


def _compare(given: argparse.Namespace, progress: TerminalProgress) -> int:
    from kiview.commands import compare  # noqa: PLC0415 - each command loads what it needs

    return compare.run(given, progress)


def _doctor(given: argparse.Namespace, progress: TerminalProgress) -> int:
    from kiview.commands import doctor  # noqa: PLC0415 - each command loads what it needs

    return doctor.run(given, progress)


def _models(given: argparse.Namespace, progress: TerminalProgress) -> int:
    from kiview.commands import models  # noqa: PLC0415 - each command loads what it needs

    return models.run(given, progress)


def _library(given: argparse.Namespace, progress: TerminalProgress) -> int:
    from kiview.commands import library  # noqa: PLC0415 - each command loads what it needs

    return library.run(given, progress)


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "info": (_add_info, "Say what a study contains and what can be computed."),
    "curve": (_add_curve, "Write the curve of a region, or the plasma curve a network finds."),
    "map": (_add_map, "Compute parametric maps and write them."),
    "compare": (_add_compare, "Say how well two maps agree."),
    "doctor": (_add_doctor, "Show versions, devices, folders and networks."),
    "models": (
        _add_models,
        "List, verify or evaluate the networks there are.",
    ),
    "library": (
        _add_library,
        "List the studies that were opened, or give disk space back. Never touches your files.",
    ),
}
