"""Errors that a user can read: each text says what is wrong and what to do about it."""


class KiviewError(Exception):
    """Base of every error whose text is meant for the user."""


class InvalidInputError(KiviewError):
    """A value or an array is outside what the operation can use."""


class GeometryMismatchError(InvalidInputError):
    """Two images, or an image and a mask, lie on different grids."""


class QuantityMismatchError(InvalidInputError):
    """Two things that must share a unit do not, for example SUV frames and a Bq/mL curve."""


class MissingInformationError(KiviewError):
    """Something the files do not say is needed; the user can enter it.

    Attributes:
        fields: Names of the missing values, as `--set` takes them (for example `weight_kg`).
    """

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class ReadError(KiviewError):
    """A file or folder could not be read as what it should be."""


class UnsupportedDataError(ReadError):
    """The file is sound but of a kind that KiView does not read."""


class ExportError(KiviewError):
    """Results could not be written; nothing half-written was left behind."""


class StaleResultError(ExportError):
    """A result no longer belongs to its inputs and must be computed again first."""


class NetworkError(KiviewError):
    """A network is missing, altered, or cannot be used on this study."""
