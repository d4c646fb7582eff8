"""What made a result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

JsonValue = str | float | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Record of how a result came to be; complete enough to compute it again.

    Attributes:
        method: For example `patlak` or `network`.
        software: Name and version.
        settings: Choices that shaped the result, JSON-like (window, weighting, frames ...).
        inputs: Ids of what went in (series UID, input-function source, region names ...).
        network_id: Network used, empty if none.
        weight_set_id: SHA-256 of the weights used, empty if none.
        modified: Whether the weights differ from the shipped ones.
        user_given: Values that the user entered because the files lack them.
    """

    method: str
    software: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    network_id: str = ""
    weight_set_id: str = ""
    modified: bool = False
    user_given: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("settings", "inputs", "user_given"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def to_dict(self) -> dict[str, JsonValue]:
        """Plain dictionary for JSON."""
        return {
            "method": self.method,
            "software": self.software,
            "settings": dict(self.settings),
            "inputs": dict(self.inputs),
            "network_id": self.network_id,
            "weight_set_id": self.weight_set_id,
            "weights_modified": self.modified,
            "user_given": dict(self.user_given),
        }
