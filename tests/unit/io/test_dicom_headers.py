"""The fast header parser against pydicom, and columns of headers."""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.dicom_patterns import VENDORS
from tests.helpers.phantoms import asymmetric_phantom, axial_affine
from tests.helpers.real_headers import DATA

from kiview.core.errors import InvalidInputError, ReadError
from kiview.io import dicom_headers
from kiview.io.dicom_fast import MoreNeededError, NotPlainError, decode_text, parse
from kiview.io.dicom_headers import (
    Header,
    HeaderTable,
    looks_like_dicom,
    read_header,
    read_with_pydicom,
)
from kiview.io.dicom_templates import TemplateReader

REAL = sorted(path for path in DATA.glob("**/*.dcm") if "fuzz" not in path.parts)


def one_file(folder: Path, vendor: str = "philips") -> Path:
    activity = asymmetric_phantom((2, 4, 5), 1)
    return write_dynamic_series(folder, vendor, activity, axial_affine(), [0.0], [60.0])[0]


def assert_same(path: Path) -> Header:
    fast, slow = read_header(path), read_with_pydicom(path)
    assert fast is not None
    assert fast.values == slow.values
    assert fast.transfer_syntax == slow.transfer_syntax
    return fast


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name}-{path.stem[-6:]}")
def test_that_real_files_read_as_pydicom_reads_them(path: Path) -> None:
    assert_same(path)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_that_both_plain_encodings_are_read_fast_with_their_pixels(
    vendor: str, syntax: str, tmp_path: Path
) -> None:
    path = one_file(tmp_path, vendor)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    header = assert_same(path)
    content = path.read_bytes()
    pixels = content[header.pixel_offset : header.pixel_offset + header.pixel_length]
    assert pixels == ds.PixelData


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_that_other_encodings_are_left_to_pydicom(syntax: str, tmp_path: Path) -> None:
    path = one_file(tmp_path)
    ds = pydicom.dcmread(path)
    little = syntax != ExplicitVRBigEndian
    ds.PixelData = ds.pixel_array.astype("<i2" if little else ">i2").tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=little, force_encoding=True)
    header = read_header(path)
    assert header is not None
    assert header.pixel_offset == -1
    assert header.values["Rows"] == "4"
    assert header.values["RadionuclideTotalDose"] == "350000000.0"
    assert header.values["PhilipsActivityFactor"]


def test_that_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    ds = pydicom.dcmread(path)
    bare = Dataset()
    bare.update({tag: ds[tag] for tag in ds.keys()})  # noqa: SIM118 - a data set, not a dict
    bare.save_as(path, implicit_vr=True, little_endian=True)
    assert looks_like_dicom(path.read_bytes()[:256])
    header = read_header(path)
    assert header is not None
    assert header.transfer_syntax == ""
    assert header.values["Units"] == "CNTS"


@pytest.mark.parametrize("undefined", [True, False])
def test_that_sequences_of_any_length_form_are_passed(undefined: bool, tmp_path: Path) -> None:
    path = one_file(tmp_path)
    ds = pydicom.dcmread(path)
    deep = Dataset()
    deep.CodeMeaning = "inner"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [deep, deep]
    ds.ContributingEquipmentSequence = [item, Dataset(), item]
    for sequence in ("ContributingEquipmentSequence", "RadiopharmaceuticalInformationSequence"):
        ds[sequence].is_undefined_length = undefined
        for part in ds[sequence].value:
            part.is_undefined_length_sequence_item = undefined
    item["PurposeOfReferenceCodeSequence"].is_undefined_length = undefined
    ds.save_as(path)
    header = assert_same(path)
    assert header.pixel_offset > 0
    assert header.values["Radionuclide"] == "^18^Fluorine"


@pytest.mark.parametrize("undefined", [True, False])
def test_that_all_radiopharmaceuticals_are_read(undefined: bool, tmp_path: Path) -> None:
    path = one_file(tmp_path)
    ds = pydicom.dcmread(path)
    second, third = Dataset(), Dataset()
    second.RadionuclideTotalDose, second.Radiopharmaceutical = "100000000", "PSMA"
    third.RadionuclideTotalDose, third.RadiopharmaceuticalStartTime = "5", "093000"
    items = ds.RadiopharmaceuticalInformationSequence
    items.extend([second, third])
    ds["RadiopharmaceuticalInformationSequence"].is_undefined_length = undefined
    items[1].is_undefined_length_sequence_item = undefined
    ds.save_as(path)
    header = assert_same(path)
    assert header.values["RadionuclideTotalDose"] == "350000000.0"
    assert header.values["FurtherRadionuclideTotalDose"] == "100000000\\5"
    assert header.values["FurtherRadiopharmaceutical"] == "PSMA\\"
    assert header.values["FurtherRadiopharmaceuticalStartTime"] == "\\093000"


def test_that_long_headers_are_read_to_their_end(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    ds = pydicom.dcmread(path)
    block = ds.private_block(0x0019, "A LARGE ONE", create=True)
    block.add_new(0x01, "OB", b"\0" * 300_000)
    ds.save_as(path)
    assert assert_same(path).pixel_offset > 300_000


def test_that_it_does_not_matter_where_the_first_bytes_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = one_file(tmp_path)
    whole = read_header(path)
    assert whole is not None
    for count in range(200, whole.pixel_offset, 2):
        monkeypatch.setattr(dicom_headers, "_FIRST_BYTES", count)
        header = read_header(path)
        assert header is not None
        assert header.values == whole.values
        assert header.pixel_offset == whole.pixel_offset


def test_that_files_of_a_series_read_the_same_by_template(tmp_path: Path) -> None:
    paths = []
    for vendor in VENDORS:
        activity = asymmetric_phantom((3, 4, 5), 4)
        start, duration = [0.0, 60.0, 120.0, 180.0], [60.0] * 4
        folder = tmp_path / vendor
        paths += write_dynamic_series(
            folder, vendor, activity, axial_affine(), start, duration, seed=len(paths)
        )
    reader = TemplateReader()
    for path in [*paths, *REAL, *paths]:
        header = read_header(path, reader)
        assert header is not None
        assert header.values == read_with_pydicom(path).values
        assert header.pixel_offset == parse(path.read_bytes()).pixel_offset
    assert reader.templates


def test_that_a_strange_file_among_others_is_read_as_it_is(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    reader = TemplateReader()
    read_header(path, reader)
    changes = {
        "SeriesDescription": "Rückenlage",
        "PatientWeight": "71.5",
        "Units": "BQML",
        "RescaleSlope": "0.125",
        "StudyInstanceUID": "1.2.3",
    }
    ds = pydicom.dcmread(path)
    ds.SpecificCharacterSet = "ISO_IR 100"
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
        ds.save_as(path)
        header = read_header(path, reader)
        assert header is not None
        assert header.values == read_with_pydicom(path).values
        assert header.values[keyword] == value


def test_that_names_in_other_alphabets_are_decoded(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    ds = pydicom.dcmread(path)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SeriesDescription = "Ganzkörper Δ"
    ds.save_as(path)
    assert assert_same(path).values["SeriesDescription"] == "Ganzkörper Δ"
    assert decode_text(b"caf\xe9", ["ISO_IR 999"]) == "caf?"
    assert decode_text(b"caf\xe9", ["ISO\0IR 100"]) == "caf?"  # no name that Python can look up


def test_that_control_characters_of_a_header_do_not_get_further(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    ds = pydicom.dcmread(path)
    ds["SeriesDescription"].validation_mode = 0
    ds["SeriesDescription"]._value = "CT\x1b[31m\nred"
    ds.save_as(path)
    assert assert_same(path).values["SeriesDescription"] == "CT [31m red"
    assert decode_text(b"caf\xe9\x07s\x08", ["ISO_IR 100"]) == "caf\u00e9 s"


def test_that_a_file_cut_in_its_pixels_is_called_so(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ReadError, match="cut off"):
        read_header(path)


def test_that_other_files_are_no_dicom(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a text that is no DICOM file and says so for more than 132 letters " * 3)
    assert read_header(path) is None


def test_that_an_absent_file_is_named_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be read"):
        read_header(tmp_path / "gone")


@given(st.data())
def test_that_every_cut_of_a_header_is_noticed(data: st.DataObject) -> None:
    content = REAL[0].read_bytes()
    end = data.draw(st.integers(132, parse(content).pixel_offset - 1))
    try:
        header = parse(content[:end])
    except (MoreNeededError, NotPlainError):
        return
    assert header.pixel_offset == -1  # cut between two elements: the reader reads on


@given(st.binary(max_size=300))
def test_that_any_bytes_after_the_prefix_raise_nothing_else(rest: bytes) -> None:
    meta = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"
    try:
        parse(b"\0" * 128 + b"DICM" + meta + rest)
    except (MoreNeededError, NotPlainError):
        return


def table(**columns: list[str]) -> HeaderTable:
    count = len(next(iter(columns.values())))
    headers = [
        Header(f"{i}", 0, 0, {name: texts[i] for name, texts in columns.items()}, "")
        for i in range(count)
    ]
    return HeaderTable.from_headers(headers)


def test_that_columns_keep_one_text_where_all_files_agree() -> None:
    made = table(Units=["BQML"] * 3, InstanceNumber=["1", "2", "3"])
    assert made.columns["Units"] == "BQML"
    assert made.distinct("Units") == ("BQML",)
    assert made.texts("Units") == ["BQML"] * 3
    assert made.numbers("InstanceNumber").tolist() == [1.0, 2.0, 3.0]
    assert made.text("Absent") == ""
    assert np.isnan(made.numbers("Absent")).all()
    assert made.take([2, 0]).texts("InstanceNumber") == ["3", "1"]


@pytest.mark.parametrize("text", ["abc", "1e999", "nan", "1_0", "0x10"])
def test_that_text_in_a_number_names_the_tag(text: str) -> None:
    with pytest.raises(InvalidInputError, match="RescaleSlope"):
        table(RescaleSlope=[text]).numbers("RescaleSlope")


def test_that_numbers_that_differ_are_not_one_number() -> None:
    with pytest.raises(InvalidInputError, match="70 and absent"):
        table(PatientWeight=["70", ""]).number("PatientWeight")
    value, why = table(PatientWeight=["70", "71"]).positive("PatientWeight")
    assert value is None
    assert "differs" in why
    assert table(PatientWeight=["0"]).positive("PatientWeight") == (None, "PatientWeight is 0.")


def test_that_vectors_need_all_their_parts() -> None:
    with pytest.raises(InvalidInputError, match="needs 3 numbers"):
        table(ImagePositionPatient=["1\\2"]).vectors("ImagePositionPatient", 3)


def element(tag: tuple[int, int], kind: bytes, value: bytes) -> bytes:
    """One explicit little-endian element."""
    long_form = kind in (b"SQ", b"UN", b"OB")
    size = struct.pack("<HI", 0, len(value)) if long_form else struct.pack("<H", len(value))
    return struct.pack("<HH", *tag) + kind + size + value


PREFIX = b"\0" * 128 + b"DICM" + element((2, 0x10), b"UI", b"1.2.840.10008.1.2.1\0")
ROWS = element((0x28, 0x10), b"US", b"\x04\x00")


@pytest.mark.parametrize(
    "body",
    [
        ROWS + element((0x08, 0x60), b"CS", b"PT"),
        ROWS + element((0x28, 0x11), b"??", b"\x04\x00"),
        element((0x54, 0x16), b"SQ", ROWS),
        struct.pack("<HH2sHI", 0x09, 0x1001, b"UN", 0, 0xFFFFFFFF) + ROWS,
        struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + ROWS,
        struct.pack("<HH2sHI", 0x08, 0x1140, b"SQ", 0, 0xFFFFFFFF) + ROWS,
    ],
    ids=["falling tags", "strange kind", "no item", "unknown length", "encapsulated", "no items"],
)
def test_that_what_is_not_plain_is_left_to_pydicom(body: bytes) -> None:
    with pytest.raises(NotPlainError):
        parse(PREFIX + body)


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<HH2sHI", 0x54, 0x16, b"SQ", 0, 500) + ROWS,
        struct.pack("<HH2sHI", 0x54, 0x16, b"SQ", 0, 0xFFFFFFFF),
        struct.pack("<HH2sHIHHI", 0x54, 0x16, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 900),
        struct.pack("<HH2sHIHHI", 0x54, 0x16, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF),
    ],
    ids=["long sequence", "open sequence", "long item", "open item"],
)
def test_that_a_sequence_that_goes_on_asks_for_more(body: bytes) -> None:
    with pytest.raises(MoreNeededError):
        parse(PREFIX + body)


def test_that_another_creators_private_values_are_not_taken() -> None:
    creator = element((0x7053, 0x10), b"LO", b"SOMEBODY ELSE ")
    factor = element((0x7053, 0x1000), b"DS", b"0.5 ")
    assert parse(PREFIX + creator + factor).values == {}
    philips = element((0x7053, 0x11), b"LO", b"Philips PET Private Group ")
    factor = element((0x7053, 0x1100), b"UN", b"0.5 ")
    raw = parse(PREFIX + philips + factor)
    assert raw.text("PhilipsSuvFactor") == "0.5"


def test_that_a_header_without_anything_known_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "bare"
    syntax = element((2, 0x10), b"UI", b"1.2.840.10008.1.2.2")
    path.write_bytes(b"\0" * 128 + b"DICM" + syntax)
    with pytest.raises(ReadError, match="cut off"):
        read_header(path)
    path.write_bytes(b"\0" * 128 + b"DICM" + syntax + element((0x40, 0x10), b"LO", b"AB"))
    with pytest.raises(ReadError, match="no DICOM header"):
        read_header(path)
    with pytest.raises(ReadError, match="cannot be read"):
        read_with_pydicom(tmp_path / "gone")


@pytest.mark.parametrize(
    ("kind", "length"), [(b"UN", b"\xff\xff\xff\xff"), (b"OB", b"\xf0\xff\xff\x7f")]
)
def test_that_a_header_of_gigabytes_is_refused_early(
    kind: bytes, length: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_headers, "_MOST_SLOW_BYTES", 1 << 17)
    path = tmp_path / "huge.dcm"
    with path.open("wb") as file:
        file.write(b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00" + kind + b"\0\0" + length)
        file.truncate(3 << 30)  # a hole, no room on the disk
    with pytest.raises(ReadError, match="claims more than a header holds"):
        read_with_pydicom(path)
