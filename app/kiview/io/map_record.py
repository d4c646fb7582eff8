"""What an exported map says about itself: names, descriptions, marks, equipment."""

from datetime import UTC, datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from kiview import __version__
from kiview.core.images import ParametricMap
from kiview.core.provenance import JsonValue, Provenance
from kiview.io.dicom_common import (
    APPLICATION,
    LONG_LIMIT,
    RESEARCH_USE,
    SHORT_LIMIT,
    SourceHeader,
    code_item,
    date_text,
    equipment_item,
    private_code,
    scanner_items,
    time_text,
)
from kiview.io.overrides import LISTS

SECONDS_PER_MINUTE = 60.0
_UNTIED_MARK, _RESEARCH_MARK, _MODIFIED_MARK = " UNTIED", " RUO", " MOD"
_METHOD_NAMES = {"patlak": "Patlak", "network": "network"}
_DERIVATIONS = {
    "patlak": ("PATLAK", "Patlak graphical analysis"),
    "network": ("NETWORK", "Neural network from frames and plasma curve"),
}


def file_stem(parametric_map: ParametricMap) -> str:
    """File name without ending, for example `patlak_Ki`; never patient data."""
    name = f"{parametric_map.provenance.method}_{parametric_map.quantity.code}"
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "-" for c in name)


def method_name(provenance: Provenance) -> str:
    """Method as shown to people."""
    return _METHOD_NAMES.get(provenance.method, provenance.method)


def window_min(provenance: Provenance) -> tuple[float, float] | None:
    """Time window of the frames used in minutes from injection, or None if it is not recorded.

    Recorded as `window_min` or, in seconds, as `start_s` and `end_s`.
    """
    settings = provenance.settings
    window = settings.get("window_min")
    if isinstance(window, list | tuple) and len(window) == 2:
        first, last, scale = window[0], window[1], 1.0
    else:
        first, last = settings.get("start_s"), settings.get("end_s")
        scale = SECONDS_PER_MINUTE
    if isinstance(first, int | float) and isinstance(last, int | float):
        return first / scale, last / scale
    return None


def input_function_record(provenance: Provenance) -> dict[str, JsonValue]:
    """What is known of the input function, with at least a `description` if one is recorded."""
    inputs = provenance.inputs
    record = inputs.get("input_function")
    if isinstance(record, dict):
        return record
    if record is None:
        return {}
    return {"description": record, "source": inputs.get("input_source")}


def series_description(parametric_map: ParametricMap) -> str:
    """For example `Ki Patlak 30-60 min [mL/min/mL] RUO`, with `MOD` for modified weights.

    `UNTIED` before that means a network's map that was not kept consistent with Patlak.
    """
    provenance, quantity = parametric_map.provenance, parametric_map.quantity
    window = window_min(provenance)
    span = f" {window[0]:g}-{window[1]:g} min" if window else ""
    marks = _UNTIED_MARK if is_untied(provenance) else ""
    marks += _RESEARCH_MARK + (_MODIFIED_MARK if provenance.modified else "")
    what = f"{quantity.code} {method_name(provenance)}{span} [{quantity.unit.symbol}]"
    return what[: SHORT_LIMIT - len(marks)] + marks


def is_untied(provenance: Provenance) -> bool:
    """Whether a network made the map and consistency with Patlak was switched off."""
    return provenance.settings.get("tied_to_patlak") is False


def warnings_of(description: str) -> tuple[str, ...]:
    """Which of MODIFIED and UNTIED a description that `series_description` once made tells."""
    before, research, after = description.rpartition(_RESEARCH_MARK)
    if not research or after not in ("", _MODIFIED_MARK):
        return ()
    told = {"MODIFIED": bool(after), "UNTIED": before.endswith(_UNTIED_MARK)}
    return tuple(word for word, is_so in told.items() if is_so)


def derivation_text(parametric_map: ParametricMap, missing_as_zero: bool) -> str:
    """One readable paragraph of at most 1024 characters: method, input, marks, missing voxels.

    Args:
        parametric_map: The map.
        missing_as_zero: Whether voxels without a value are stored as 0.
    """
    provenance = parametric_map.provenance
    window = window_min(provenance)
    span = f", frames of {window[0]:g}-{window[1]:g} min" if window else ""
    count = parametric_map.unfitted_count
    stored = "stored as 0" if missing_as_zero else "not a number"
    parts = [
        f"{parametric_map.quantity} by {method_name(provenance)}{span}.",
        f"{count} voxels without a value are {stored}.",
        *(step.text for step in provenance.steps),
        _network_text(provenance),
        "Not kept consistent with Patlak." if is_untied(provenance) else "",
        RESEARCH_USE,
        _user_given_text(provenance),  # bounded, so that a long input text never cuts it off
        _input_text(provenance),
    ]
    return " ".join(part for part in parts if part)[:LONG_LIMIT]


def version_mark(provenance: Provenance) -> str:
    """Version that made the result, with its marks, which de-identification keeps.

    For example `1.4.0+modified.<hash8>.untied`: weights were modified, and the map was not kept
    consistent with Patlak.
    """
    name, _, version = provenance.software.rpartition(" ")
    made_with = version if name else __version__
    marks = [f"modified.{provenance.weight_set_id[:8]}"] if provenance.modified else []
    if is_untied(provenance):
        marks.append("untied")
    return f"{made_with}+{'.'.join(marks)}" if marks else made_with


def equipment(
    header: SourceHeader, parametric_map: ParametricMap, missing_as_zero: bool
) -> Sequence:
    """Contributing equipment: the scanner and KiView with the version that made the map."""
    now = datetime.now(UTC).astimezone()
    own = equipment_item(
        code_item("109102", "DCM", "Processing Equipment"),
        {
            "Manufacturer": APPLICATION,
            "ManufacturerModelName": APPLICATION,
            "SoftwareVersions": version_mark(parametric_map.provenance),
            "ContributionDateTime": date_text(now) + time_text(now),
            "ContributionDescription": derivation_text(parametric_map, missing_as_zero),
        },
    )
    return Sequence([*scanner_items(header), own])


def derivation_code(provenance: Provenance) -> Dataset:
    """Coded method, in KiView's own scheme (the standard has none for tracer kinetics)."""
    unknown = ("DERIVED", "Other parametric imaging method")
    return private_code(*_DERIVATIONS.get(provenance.method, unknown))


def _network_text(provenance: Provenance) -> str:
    """For example: Network x 1.0, MODIFIED weights (64 digits): slider 0.5, layers edited: 1."""
    if not provenance.network_id:
        return ""
    settings = provenance.settings
    origin = settings.get("network_origin")
    kind = "Network" if origin in (None, "shipped") else f"{str(origin).capitalize()} network"
    version = settings.get("network_version")
    name = " ".join(str(part) for part in (kind, provenance.network_id, version) if part)
    state = "MODIFIED weights" if provenance.modified else "unmodified weights"
    choices = _choices_text(settings.get("weights")) if provenance.modified else ""
    return f"{name}, {state} {provenance.weight_set_id}{choices}."


def _choices_text(weights: JsonValue) -> str:
    """What was chosen, from the record of a weight set."""
    if not isinstance(weights, dict):
        return ""
    told = [f"slider {_short(weights.get('position'))}"]
    if weights.get("loaded"):
        told = ["loaded from a file"]
    if weights.get("image_blend"):
        told.append(f"{_short(weights.get('image_blend'))} of Patlak")
    for key, what in (("layers", "layers"), ("weights", "single weights")):
        edits = weights.get(key)
        if isinstance(edits, list) and edits:
            told.append(f"{what} edited: {len(edits)}")
    return f": {', '.join(told)}"


def _input_text(provenance: Provenance) -> str:
    description = input_function_record(provenance).get("description")
    return f"Input function: {description}." if description else ""


def _user_given_text(provenance: Provenance) -> str:
    given = [f"{name}={_entered(name, value)}" for name, value in provenance.user_given.items()]
    return f"Entered by the user: {', '.join(given)}." if given else ""


def _entered(name: str, value: JsonValue) -> str:
    """A value in 10 digits; of a list the number and the ends (the sidecar has it whole)."""
    parts = str(value).split(",")
    if name in LISTS and len(parts) > 1:
        return f"{parts[0]}..{parts[-1]} s ({len(parts)} frames)"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _short(value: JsonValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
