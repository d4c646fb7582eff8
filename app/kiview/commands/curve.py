"""`kiview curve`: the time-activity curve of a region as TSV."""

import argparse

from kiview.commands.arguments import require_file
from kiview.commands.opening import main_dynamic, open_given
from kiview.commands.terminal import DONE, TerminalProgress, UsageError, note
from kiview.jobs.export import export_region_curve
from kiview.jobs.input_curve import region_curve
from kiview.jobs.regions import choose_region, read_regions


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """Average the region in every frame and write the curve."""
    if given.aorta:
        raise UsageError(
            "--aorta auto is not available in this version; draw the aorta and use --roi FILE"
        )
    if given.out.suffix != ".tsv":
        raise UsageError(f"--out {given.out} must end in .tsv")
    file = require_file(given.roi, "--roi")
    _, image = main_dynamic(open_given(given, progress))
    mask = choose_region(read_regions(file, image.geometry, progress), given.region)
    tac = region_curve(image, mask, progress)
    written = export_region_curve(given.out, tac, given.overwrite)
    progress.clear()
    note(f"wrote {', '.join(str(path) for path in written)}")
    return DONE
