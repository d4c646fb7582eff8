"""`kiview map`: compute parametric maps and write them."""

import argparse
from pathlib import Path

from kiview.commands.arguments import InputWord, MergeWord, Method, region_file, require_file
from kiview.commands.opening import main_dynamic, open_given, refuse_without_kinetics
from kiview.commands.terminal import DONE, TerminalProgress, UsageError, note
from kiview.core.errors import MissingInformationError
from kiview.core.images import DynamicImage, MapSet
from kiview.core.input_function import InputFunction, InputSource
from kiview.core.merge_frames import merge_frames
from kiview.core.merge_plan import MergeSettings, default_start_s
from kiview.core.patlak import PatlakSettings
from kiview.core.progress import Progress
from kiview.core.roi import RoiMask
from kiview.core.study import Finding, Verdict, not_confirmed
from kiview.io.curve_files import TABLE_ENDINGS
from kiview.jobs.compute_patlak import PatlakRequest, compute_patlak
from kiview.jobs.curve_network import curve_network
from kiview.jobs.export import ExportRequest, export_maps, refuse_existing_results
from kiview.jobs.input_curve import (
    DEFAULT_POPULATION,
    POPULATIONS,
    InputCurveRequest,
    build_input_function,
)
from kiview.jobs.networks import installed_networks
from kiview.jobs.regions import RegionFile, choose_region, read_regions
from kiview.jobs.reproduce import RecordedRun, read_recorded_run
from kiview.nets.catalog import NetworkCard
from kiview.nets.infer import NetworkRequest, run_network
from kiview.nets.weight_files import load_weight_set
from kiview.nets.weights import WeightSet, shipped_weights
from kiview.settings.store import load as load_settings

_Chosen = tuple[NetworkCard, WeightSet]
_OPENED, _COMPUTED = 0.2, 0.9
DEFAULT_WINDOW_S = (1800.0, 3600.0)
"""Frames used, and where a population curve is scaled, unless given."""
_SOURCES = {
    "file": InputSource.SAMPLES,
    "population": InputSource.POPULATION,
    "aorta": InputSource.IMAGE,
    "network": InputSource.NETWORK,
}


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """Open, build the input function, compute every method, write everything at once."""
    recorded = _checked(given)
    methods = given.method or (Method.NETWORK,)
    if not given.overwrite:
        refuse_existing_results(given.out, methods)
    chosen = _chosen_network(given, recorded)
    if recorded is None and given.input.kind == "network":
        _check_curve_network()
    study = open_given(given, progress, {} if recorded is None else recorded.user_given)
    series, acquired = main_dynamic(study)
    refuse_without_kinetics(series)
    _note_not_confirmed(series.findings)
    image = _frames(given, acquired) if recorded is None else recorded.frames_of(acquired)
    for step in image.steps:
        note(f"{step.name}: {step.text}")
    if recorded is None:
        curve = _input_function(given, image, progress.child(0.0, _OPENED))
    else:
        curve = recorded.input_function
    for finding in curve.findings:
        note(f"input function: {finding}")
    requests = _requests(given, image, curve, recorded, chosen)
    results = _computed(requests, progress.child(_OPENED, _COMPUTED))
    request = ExportRequest(
        results=results,
        folder=given.out,
        formats=given.format,
        patient=study.patient,
        source_files=series.source_files,
        input_function=curve,
        end_s=float(image.timing.end_s.max()),
        findings=tuple(finding.told(confirmed=False) for finding in series.findings),
        overwrite=given.overwrite,
    )
    written = export_maps(request, progress.child(_COMPUTED, 1.0))
    progress.clear()
    _note_findings(results, curve)
    note(f"wrote {len(written)} files and folders to {given.out}")
    return DONE


def _note_not_confirmed(findings: tuple[Finding, ...]) -> None:
    text = not_confirmed(sum(finding.verdict is Verdict.CONFIRM for finding in findings))
    if text:
        note(f"{text}; what is written says so")


def _note_findings(results: tuple[MapSet, ...], curve: InputFunction) -> None:
    told = dict.fromkeys(text for result in results for text in result.findings)
    for finding in told:
        if finding not in curve.findings:
            note(finding)


def _checked(given: argparse.Namespace) -> RecordedRun | None:
    """Refuse what cannot be meant before anything is computed; the record to repeat, if any."""
    if given.from_record is None:
        if given.input is None or not given.method:
            raise UsageError("--input and --method are needed, or --from-record")
        _refuse_misuse(given)
        return None
    decided = (
        *("input", "roi", "region", "scale_window", "method", "frames", "merge"),
        *("weights", "network"),
    )
    both = [name for name in decided if getattr(given, name)] + ["no-tie"] * given.no_tie
    if both:
        raise UsageError(
            f"--from-record decides --{both[0].replace('_', '-')} itself; leave it out"
        )
    return read_recorded_run(require_file(given.from_record, "--from-record"))


def _refuse_misuse(given: argparse.Namespace) -> None:
    """Refuse what cannot be meant before anything is read."""
    word: InputWord = given.input
    if word.kind == "network":
        _refuse_regions(given)
    if word.kind == "aorta" and not (word.value or given.roi):
        raise UsageError(
            "--input aorta needs a region: aorta:FILE (region JSON, NIfTI mask, RTSTRUCT or SEG)"
        )
    if word.kind == "aorta" and word.value and given.roi:
        raise UsageError("the region is given twice: --input aorta:FILE and --roi")
    if word.kind == "population" and word.value and word.value not in POPULATIONS:
        raise UsageError(f"population curves are: {', '.join(POPULATIONS)}")
    if word.kind == "file":
        require_file(Path(word.value), "--input")
        if given.roi is not None:
            raise UsageError("--roi scales a population curve; --input FILE takes no region")
    names_curve = word.kind == "file" and word.value.lower().endswith(TABLE_ENDINGS)
    if given.region and not names_curve and _region_file(given) is None:
        raise UsageError("--region names a region of a file; give --roi or aorta:FILE too")
    _refuse_network_misuse(given)
    _region(given)


def _refuse_regions(given: argparse.Namespace) -> None:
    for name in ("roi", "region", "scale_window"):
        if getattr(given, name):
            raise UsageError(
                f"--input network finds blood by itself; leave out --{name.replace('_', '-')}"
            )


def _refuse_network_misuse(given: argparse.Namespace) -> None:
    for name in ("weights", "network", "no_tie"):
        if getattr(given, name) and Method.NETWORK not in given.method:
            raise UsageError(f"--{name.replace('_', '-')} belongs to --method network")
    if given.weights is not None:
        require_file(given.weights, "--weights")


def _region_file(given: argparse.Namespace) -> Path | None:
    word: InputWord = given.input
    file: Path | None = Path(word.value) if word.kind == "aorta" and word.value else given.roi
    return file


def _region(given: argparse.Namespace) -> RegionFile | None:
    """The region file with the name of the region in it.

    Raises:
        UsageError: there is no such file.
    """
    path = _region_file(given)
    if path is None:
        return None
    return region_file(path, given.region, given.trust_position, "region file")


def _frames(given: argparse.Namespace, image: DynamicImage) -> DynamicImage:
    """The frames to compute on: as acquired, or merged.

    Raises:
        InvalidInputError: the frames do not fit what `--merge` asks for.
    """
    word: MergeWord | None = given.merge
    if word is None:
        return image
    start_s = word.start_s
    if start_s is None:
        start_s = default_start_s(image.timing, _window(given.frames)[0])
    return merge_frames(image, MergeSettings(word.length_s, start_s))


def _input_function(
    given: argparse.Namespace, image: DynamicImage, progress: Progress
) -> InputFunction:
    word: InputWord = given.input
    request = InputCurveRequest(
        image,
        _SOURCES[word.kind],
        blood=_blood(given, image, progress),
        file=Path(word.value) if word.kind == "file" else None,
        population=word.value if word.kind == "population" and word.value else DEFAULT_POPULATION,
        scale_window_s=_window(given.scale_window),
        frames_s=_window(given.frames),
        curve=given.region if word.kind == "file" else "",
    )
    try:
        return build_input_function(request, progress)
    except MissingInformationError as error:
        if word.kind == "population":
            raise UsageError(
                "--input population needs --roi FILE, or dose and weight (--set), to scale it by"
            ) from error
        raise


def _blood(given: argparse.Namespace, image: DynamicImage, progress: Progress) -> RoiMask | None:
    file = _region(given)
    if file is None:
        return None
    return choose_region(read_regions(file, image.geometry, progress, note), file.name, blood=True)


def _chosen_network(given: argparse.Namespace, recorded: RecordedRun | None) -> _Chosen | None:
    """Network and weights, complete before the study is read; None if no network is to run.

    Raises:
        NetworkError: they are not there or do not fit each other.
    """
    if recorded is None and Method.NETWORK not in given.method:
        return None
    catalog = installed_networks(load_settings().settings.site_networks_folder)
    if recorded is not None:
        card, weights = recorded.chosen(catalog.cards)
    else:
        card = catalog.card(given.network) if given.network else catalog.default
        weights = shipped_weights(card)
        if given.weights is not None:
            known = (card,) if given.network else catalog.cards
            card, weights = load_weight_set(given.weights, known)
    card.network.read()
    weights.tensors(card)
    return card, weights


def _check_curve_network() -> None:
    """Refuse before the study is read.

    Raises:
        NetworkError: there is no curve network, or a file of it was changed.
    """
    card, ki_network = curve_network()
    card.network.network.read()
    ki_network.network.read()


def _requests(
    given: argparse.Namespace,
    image: DynamicImage,
    curve: InputFunction,
    recorded: RecordedRun | None,
    chosen: _Chosen | None,
) -> tuple[PatlakRequest | NetworkRequest, ...]:
    """Runs to do, in the order given."""
    if recorded is not None and chosen is not None:
        return (recorded.request(image, chosen),)
    window_s = _window(given.frames)
    return tuple(
        PatlakRequest(image, curve, PatlakSettings(*window_s))
        if method is Method.PATLAK or chosen is None
        else NetworkRequest(image, curve, *window_s, *chosen, not given.no_tie)
        for method in given.method
    )


def _computed(
    requests: tuple[PatlakRequest | NetworkRequest, ...], progress: Progress
) -> tuple[MapSet, ...]:
    results = []
    for number, request in enumerate(requests):
        part = progress.child(number / len(requests), (number + 1) / len(requests))
        if isinstance(request, PatlakRequest):
            results.append(compute_patlak(request, part))
        else:
            results.append(run_network(request, part))
    return tuple(results)


def _window(chosen: tuple[float, float] | None) -> tuple[float, float]:
    return DEFAULT_WINDOW_S if chosen is None else chosen
