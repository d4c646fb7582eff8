"""Write a parametric map as one DICOM Parametric Map object with float voxels (PS3.3 A.75).

Values are stored as they are, NaN included; the real-world value mapping names quantity and unit.
"""

from pathlib import Path

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code

from kiview.core.images import ParametricMap
from kiview.core.units import Quantity
from kiview.io.dicom_common import (
    PRIVATE_SCHEME,
    SourceHeader,
    add_body_part,
    coding_scheme_sequence,
)
from kiview.io.dicom_stand_in import new_object, planes, put_source_in_place, stand_in
from kiview.io.highdicom_tables import load_tables
from kiview.io.map_record import (
    derivation_code,
    derivation_text,
    equipment,
    series_description,
    version_mark,
)

CODE_LIMIT = 16
SMALLEST_WINDOW = 1e-12


def write_parametric_map(
    path: Path, parametric_map: ParametricMap, header: SourceHeader, series_number: int
) -> None:
    """Write one map as a single multi-frame file.

    Args:
        path: File to write.
        parametric_map: (z, y, x) float32, NaN kept.
        header: Patient and study to inherit.
        series_number: SeriesNumber.

    Raises:
        ExportError: rows and columns of the map are not at right angles.
    """
    load_tables()
    geometry, provenance = parametric_map.geometry, parametric_map.provenance
    low, high = _range(parametric_map.values)
    written = highdicom.pm.ParametricMap(
        source_images=[stand_in(header, geometry)],
        pixel_array=np.ascontiguousarray(parametric_map.values, np.float32),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(parametric_map.quantity, low, high)],
        voi_lut_transformations=[
            highdicom.VOILUTTransformation(
                window_center=(low + high) / 2,
                window_width=max(high - low, SMALLEST_WINDOW),
                voi_lut_function="LINEAR_EXACT",
            )
        ],
        content_label=parametric_map.quantity.code.upper()[:CODE_LIMIT],
        content_description=series_description(parametric_map),
        **new_object(series_number, version_mark(provenance)),
        **planes(geometry, range(geometry.shape_zyx[0])),
    )
    _complete(written, parametric_map, header)
    written.save_as(path)


def _mapping(quantity: Quantity, low: float, high: float) -> highdicom.pm.RealWorldValueMapping:
    unit = Code(quantity.unit.ucum, "UCUM", quantity.unit.symbol)
    return highdicom.pm.RealWorldValueMapping(
        lut_label=quantity.code[:CODE_LIMIT],
        lut_explanation=str(quantity),
        unit=unit,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=Code(
            quantity.code.upper()[:CODE_LIMIT], PRIVATE_SCHEME, quantity.label
        ),
    )


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    """Smallest and largest finite value; 0 to 1 when there is none."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    return float(finite.min()), float(finite.max())


def _complete(written: Dataset, parametric_map: ParametricMap, header: SourceHeader) -> None:
    """Add names, descriptions and marks; drop references to the stand-in, which is no file."""
    put_source_in_place(written, header)
    written.SeriesDescription = series_description(parametric_map)
    written.DerivationDescription = derivation_text(parametric_map, missing_as_zero=False)
    written.ContributingEquipmentSequence = equipment(header, parametric_map, missing_as_zero=False)
    written.CodingSchemeIdentificationSequence = coding_scheme_sequence()
    add_body_part(written, header.dataset)
    derivation = Dataset()
    derivation.DerivationDescription = written.DerivationDescription
    derivation.DerivationCodeSequence = Sequence([derivation_code(parametric_map.provenance)])
    derivation.SourceImageSequence = Sequence()
    for frame in written.PerFrameFunctionalGroupsSequence:
        frame.DerivationImageSequence = Sequence([derivation])
