"""What stored values of multi-frame PET mean: mappings, units, kinds of SUV, the dose."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.helpers.four_frames import SUV_PER_BQML
from tests.helpers.multiframe import classic, mapping, write_enhanced
from tests.helpers.opening import assert_same, codes, voxels
from tests.helpers.opening import read_main as read
from tests.helpers.phantoms import asymmetric_phantom

from kiview.core.study import Verdict

SUV_PER_COUNT = 1e-3


def test_that_suv_is_read_where_the_mapping_says_so(tmp_path: Path) -> None:
    def as_suv(group: Dataset, one: Dataset) -> None:
        slope = float(one.RescaleSlope) * SUV_PER_COUNT
        group.RealWorldValueMappingSequence = [mapping("g/ml{SUVbw}", slope)]

    slices = classic(tmp_path / "classic", decay_correction="ADMIN")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=as_suv)
    series = read(tmp_path / "enhanced")
    assert series.file_units == "GML"
    assert series.file_suv_factor_g_per_bq == 1.0
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom() * SUV_PER_COUNT, rtol=1e-6)


def test_that_activity_is_preferred_to_suv_and_an_intercept_is_added(tmp_path: Path) -> None:
    def both(group: Dataset, one: Dataset) -> None:
        slope = float(one.RescaleSlope)
        group.RealWorldValueMappingSequence = [
            mapping("g/ml{SUVbw}", slope * SUV_PER_COUNT),
            mapping("Bq/ml", slope, 12.0),
        ]

    slices = classic(tmp_path / "classic", decay_correction="ADMIN")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=both)
    series = read(tmp_path / "enhanced")
    assert series.file_units == "BQML"
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom() + 12.0, rtol=1e-6)
    assert series.max_value == pytest.approx(4 * asymmetric_phantom().max() + 12.0, rel=1e-6)
    assert codes(series) == set()  # an intercept is allowed here, unlike in single-slice PET


def test_that_the_mapping_wins_over_rescale_and_is_to_be_confirmed(tmp_path: Path) -> None:
    def twice(group: Dataset, one: Dataset) -> None:
        group.RealWorldValueMappingSequence = [mapping("Bq/ml", 2 * float(one.RescaleSlope))]

    slices = classic(tmp_path / "classic", decay_correction="ADMIN")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=twice)
    series = read(tmp_path / "enhanced")
    np.testing.assert_allclose(voxels(series), 8 * asymmetric_phantom(), rtol=1e-6)
    assert codes(series) == {"value-mapping-used"}
    assert series.suv_verdict is Verdict.CONFIRM


def test_that_a_mapping_that_ignores_the_slopes_of_frames_is_refused(tmp_path: Path) -> None:
    def one_for_all(group: Dataset, _one: Dataset) -> None:
        group.RealWorldValueMappingSequence = [mapping("Bq/ml", 1.0)]

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change_frame=one_for_all)
    series = read(tmp_path / "enhanced")
    assert "value-mapping-contradicts" in codes(series)
    assert series.suv_verdict is Verdict.REFUSED
    assert series.kinetics_verdict is Verdict.REFUSED


@pytest.mark.parametrize("unit", ["umol/min/ml", "g/ml", "kBq/ml"])
def test_that_a_unit_that_cannot_be_suv_is_told(unit: str, tmp_path: Path) -> None:
    def other(group: Dataset, one: Dataset) -> None:
        group.RealWorldValueMappingSequence = [mapping(unit, float(one.RescaleSlope))]

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change_frame=other)
    series = read(tmp_path / "enhanced")
    told = {finding.code: finding.message for finding in series.findings}
    assert unit.upper() in told["units-unknown"]
    assert series.suv_verdict is Verdict.REFUSED


def test_that_the_quantity_tells_the_kind_of_suv_of_plain_g_per_ml(tmp_path: Path) -> None:
    def suv(group: Dataset, one: Dataset) -> None:
        item = mapping("g/ml", float(one.RescaleSlope))
        quantity, concept = Dataset(), Dataset()
        concept.CodeValue, concept.CodingSchemeDesignator = "126401", "DCM"
        concept.CodeMeaning = "SUVbw"
        quantity.ValueType, quantity.ConceptCodeSequence = "CODE", [concept]
        item.QuantityDefinitionSequence = [quantity]
        group.RealWorldValueMappingSequence = [item]

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change_frame=suv)
    assert read(tmp_path / "enhanced").file_units == "GML"


def test_that_a_dose_in_bq_is_recognised_and_to_be_confirmed(tmp_path: Path) -> None:
    def in_bq(ds: Dataset) -> None:
        ds.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = "350000000"

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change=in_bq)
    series = read(tmp_path / "enhanced")
    assert codes(series) == {"dose-in-bq"}
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)


@pytest.mark.parametrize("told", ["BQML", "Bq/ml"])
def test_that_the_rescale_type_tells_the_unit_where_no_mapping_does(
    told: str, tmp_path: Path
) -> None:
    def unmapped(group: Dataset, _one: Dataset) -> None:
        del group.RealWorldValueMappingSequence
        group.PixelValueTransformationSequence[0].RescaleType = told

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=unmapped)
    assert_same(read(tmp_path / "enhanced"), read(tmp_path / "classic"))

    def unspecified(group: Dataset, one: Dataset) -> None:
        unmapped(group, one)
        group.PixelValueTransformationSequence[0].RescaleType = "US"

    write_enhanced(tmp_path / "unspecified", [slices], change_frame=unspecified)
    assert "units-unknown" in codes(read(tmp_path / "unspecified"))
