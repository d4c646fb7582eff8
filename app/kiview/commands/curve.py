"""`kiview curve`: the curve of a region, or the plasma curve that a network finds, as TSV."""

import argparse
from pathlib import Path

from kiview.commands.arguments import region_file
from kiview.commands.opening import (
    main_dynamic,
    open_given,
    refuse_without_kinetics,
    refuse_without_times,
)
from kiview.commands.terminal import DONE, TerminalProgress, UsageError, note
from kiview.core.images import DynamicImage
from kiview.core.input_function import InputSource
from kiview.core.study import Series, Verdict
from kiview.io.curve_writer import CurveOrigin
from kiview.jobs.curve_network import curve_network
from kiview.jobs.export import (
    export_input_function,
    export_region_curve,
    refuse_existing_curve,
)
from kiview.jobs.input_curve import (
    DEFAULT_FRAMES_S,
    InputCurveRequest,
    build_input_function,
    region_curve,
)
from kiview.jobs.regions import choose_region, read_regions


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """Average the region in every frame, or let a network find blood, and write the curve."""
    if given.out.suffix != ".tsv":
        raise UsageError(f"--out {given.out} must end in .tsv")
    written = _found(given, progress) if given.aorta else _averaged(given, progress)
    progress.clear()
    note(f"wrote {', '.join(str(path) for path in written)}")
    return DONE


def _averaged(given: argparse.Namespace, progress: TerminalProgress) -> tuple[Path, ...]:
    if given.frames is not None:
        raise UsageError("--frames belongs to --aorta auto; a region is averaged in every frame")
    file = region_file(given.roi, given.region, given.trust_position, "--roi")
    series, image = main_dynamic(open_given(given, progress))
    refuse_without_times(series)
    mask = choose_region(read_regions(file, image.geometry, progress, note), file.name)
    curve = region_curve(image, mask, progress)
    return export_region_curve(given.out, curve, given.overwrite, _origin(series, image))


def _found(given: argparse.Namespace, progress: TerminalProgress) -> tuple[Path, ...]:
    if given.region:
        raise UsageError("--aorta auto finds blood by itself; leave out --region")
    if not given.overwrite:
        refuse_existing_curve(given.out)
    curve_network()  # before the study is read, like every refusal
    series, image = main_dynamic(open_given(given, progress))
    refuse_without_kinetics(series)
    frames_s = given.frames or DEFAULT_FRAMES_S
    request = InputCurveRequest(image, InputSource.NETWORK, frames_s=frames_s)
    curve = build_input_function(request, progress)
    end_s = float(image.timing.end_s.max())
    origin = _origin(series, image)
    written = export_input_function(given.out, curve, end_s, given.overwrite, origin)
    progress.clear()
    for sentence in (curve.description, *curve.findings):
        note(f"input function: {sentence}")
    return written


def _origin(series: Series, image: DynamicImage) -> CurveOrigin:
    findings = tuple(finding.message for finding in series.findings)
    is_sure = not any(
        "decay_correction" in finding.fields and finding.kinetics is Verdict.REFUSED
        for finding in series.findings
    )
    return CurveOrigin(image.user_given, findings, image.is_at_injection and is_sure)
