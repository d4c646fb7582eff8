"""Discs as scanners burn them: a folder with a DICOMDIR, written by pydicom."""

import gc
import warnings
from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet


def write_disc(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """Copy files to a disc and list them; returns their places on it, in the DICOMDIR's order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # pydicom leaves folders to the collector
        files = FileSet()
        for path in paths:
            files.add(path)
        files.write(folder)
        places = [Path(instance.path) for instance in files]
        del files
        gc.collect()
    return places


def records(dicomdir: Path) -> tuple[Dataset, list[Dataset]]:
    """A DICOMDIR and those of its records that name a file."""
    ds = pydicom.dcmread(dicomdir)
    return ds, [one for one in ds.DirectoryRecordSequence if "ReferencedFileID" in one]
