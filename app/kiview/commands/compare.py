"""`kiview compare`: how well two maps agree."""

import argparse

from kiview.commands.arguments import region_file
from kiview.commands.terminal import (
    DONE,
    TerminalProgress,
    UsageError,
    note,
    say_table,
)
from kiview.jobs.compare_files import CompareFilesRequest, compare_files


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """Compare, write the numbers and pictures, and print the numbers."""
    for path in (given.first, given.second):
        if not path.exists():
            raise UsageError(f"{path} does not exist")
    regions = None
    if given.rois is not None:
        regions = region_file(given.rois, "", given.trust_position, "--rois")
    request = CompareFilesRequest(given.first, given.second, given.out, regions, given.overwrite)
    report = compare_files(request, progress)
    progress.clear()
    rows = [
        (
            row.name,
            str(row.voxel_count),
            f"{row.mean_a:.5g}",
            f"{row.mean_b:.5g}",
            f"{row.bias:.3g}",
            f"{row.bias_percent:.2f}",
            f"{row.lower_limit:.3g} to {row.upper_limit:.3g}",
            f"{row.correlation:.4f}",
            f"{row.concordance:.4f}",
        )
        for row in report.rows
    ]
    heading = ("region", "voxels", "mean A", "mean B", "bias", "bias %", "limits", "r", "ccc")
    say_table([heading, *rows])
    for finding in report.findings:
        note(finding)
    note(f"wrote {given.out}")
    return DONE
