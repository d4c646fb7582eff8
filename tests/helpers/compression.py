"""Compresses DICOM files with encoders that are not those of the reader where there are two."""

from collections.abc import Sequence
from pathlib import Path

import gdcm
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

LOSSLESS = {
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
    "RLE": RLELossless,
    "JPEG lossless SV1": JPEGLosslessSV1,
    "deflated": DeflatedExplicitVRLittleEndian,
}
"""Transfer syntaxes that keep every value, by a name for tests."""

_BY_GDCM = {
    JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
}


def compress_file(path: Path, syntax: str) -> None:
    """Store one single-slice file anew in another transfer syntax."""
    if syntax in _BY_GDCM:
        _compress_with_gdcm(path, _BY_GDCM[syntax])
        return
    ds = pydicom.dcmread(path)
    if syntax == DeflatedExplicitVRLittleEndian:
        ds.file_meta.TransferSyntaxUID = syntax
    else:
        ds.compress(syntax, generate_instance_uid=False)
    ds.save_as(path)


def _compress_with_gdcm(path: Path, syntax: int) -> None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def compress_object(ds: Dataset, slices: Sequence[Dataset], syntax: str, folder: Path) -> None:
    """Give a multi-frame object the compressed pixels of its slices, each frame on its own."""
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == DeflatedExplicitVRLittleEndian:
        return
    frames = []
    for number, one in enumerate(slices):
        path = folder / f"frame{number}.dcm"
        one.save_as(path)
        compress_file(path, syntax)
        frames += generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1)
        path.unlink()
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
