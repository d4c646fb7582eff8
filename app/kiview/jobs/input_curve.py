"""Build the input function from what the user chose, and the curve of a region."""

from dataclasses import dataclass, replace
from pathlib import Path

from kiview.core.errors import InvalidInputError, MissingInformationError
from kiview.core.feng import FENG_FDG, FengParameters
from kiview.core.images import DynamicImage
from kiview.core.input_checks import slope_finding
from kiview.core.input_function import (
    Compartment,
    InputFunction,
    InputSource,
    from_population,
    from_population_and_dose,
    from_region,
)
from kiview.core.progress import Progress
from kiview.core.roi import RoiMask
from kiview.core.tac import TimeActivityCurve, extract
from kiview.io.curve_files import read_input_function
from kiview.jobs.curve_network import curve_by_network

DEFAULT_SCALE_WINDOW_S = (1800.0, 3600.0)
DEFAULT_FRAMES_S = (1800.0, 3600.0)
POPULATIONS = {"feng-fdg": FENG_FDG}
"""Population curves by the name that `--input population:NAME` takes."""
DEFAULT_POPULATION = "feng-fdg"


@dataclass(frozen=True, slots=True, eq=False)
class InputCurveRequest:
    """What the input function is made from.

    Attributes:
        image: Image it is for.
        source: Region, population curve, file or network.
        blood: Region in blood, for `IMAGE`, and to scale a population curve.
        file: Curve file, for `SAMPLES`.
        curve: Name of the curve in a file that holds several.
        population: Name of the population curve.
        scale_window_s: Window over which the population curve is scaled to the region.
        plasma_factor: Plasma / measured ratio; not for a curve in plasma.
        frames_s: Window of the frames that a network looks at, for `NETWORK`.
    """

    image: DynamicImage
    source: InputSource
    blood: RoiMask | None = None
    file: Path | None = None
    population: str = DEFAULT_POPULATION
    scale_window_s: tuple[float, float] = DEFAULT_SCALE_WINDOW_S
    plasma_factor: float = 1.0
    frames_s: tuple[float, float] = DEFAULT_FRAMES_S
    curve: str = ""


def build_input_function(request: InputCurveRequest, progress: Progress) -> InputFunction:
    """Build the input function.

    Args:
        request: What it is made from.
        progress: Told before each part.

    Returns:
        Input function in the image's quantity, except that a file keeps its own.

    Raises:
        InvalidInputError: the region or the file is missing, or the population is unknown.
        MissingInformationError: neither region nor SUV factor can scale the population curve.
        NetworkError: no network can tell the curve, or it found no blood.
        ReadError: the file cannot be read.
        Cancelled: the user asked to stop.
    """
    if request.source is InputSource.SAMPLES:
        made = _from_file(request, progress)
    elif request.source is InputSource.POPULATION:
        made = _from_population(request, progress)
    elif request.source is InputSource.NETWORK:
        made = curve_by_network(request.image, request.frames_s, progress)
    else:
        made = _from_region(request, progress)
    return with_plasma_factor(made, request.plasma_factor)


def from_blood(
    tac: TimeActivityCurve,
    source: InputSource,
    scale_window_s: tuple[float, float] = DEFAULT_SCALE_WINDOW_S,
    parameters: FengParameters = FENG_FDG,
) -> InputFunction:
    """Input function from the curve of a blood region, for window and command line alike.

    Args:
        tac: Curve of the region.
        source: `IMAGE` takes the curve itself, `POPULATION` scales the population curve to it.
        scale_window_s: Window over which the population curve is scaled.
        parameters: Population curve; also fills in what the scan missed before its first frame.

    Raises:
        InvalidInputError: the curve or the window does not serve.
    """
    if source is InputSource.IMAGE:
        return from_region(tac, parameters, scale_window_s)
    scaled = from_population(tac, scale_window_s, parameters)
    told = slope_finding(tac, scaled, scale_window_s)
    return replace(scaled, findings=(*scaled.findings, *told))


def with_plasma_factor(made: InputFunction, factor: float) -> InputFunction:
    """The same input function times a further plasma / measured ratio.

    A curve in plasma stays as it is: samples of plasma, or what a network found.
    """
    if factor == 1.0 or made.compartment is Compartment.PLASMA:
        return made
    return replace(made, plasma_factor=made.plasma_factor * factor)


def read_curve(path: Path, progress: Progress, curve: str = "") -> InputFunction:
    """Read an input function from a file; `curve` names one of several."""
    progress.step(0.0, f"Reading {path.name}")
    return read_input_function(path, curve)


def region_curve(image: DynamicImage, mask: RoiMask, progress: Progress) -> TimeActivityCurve:
    """Average a region in every frame."""
    progress.step(0.0, f"Averaging {mask.name or 'the region'}")
    return extract(image, mask)


def _from_file(request: InputCurveRequest, progress: Progress) -> InputFunction:
    if request.file is None:
        raise InvalidInputError("Choose a curve file (BIDS TSV, CSV, PMOD or Turku).")
    return read_curve(request.file, progress, request.curve)


def _from_region(request: InputCurveRequest, progress: Progress) -> InputFunction:
    if request.blood is None:
        raise InvalidInputError("Draw or give a region in blood, for example in the aorta.")
    tac = region_curve(request.image, request.blood, progress)
    return from_blood(tac, InputSource.IMAGE, request.scale_window_s)


def _from_population(request: InputCurveRequest, progress: Progress) -> InputFunction:
    parameters = POPULATIONS.get(request.population)
    if parameters is None:
        known = ", ".join(POPULATIONS)
        raise InvalidInputError(
            f"There is no population curve {request.population!r}; KiView has {known}."
        )
    if request.blood is not None:
        tac = region_curve(request.image, request.blood, progress)
        return from_blood(tac, InputSource.POPULATION, request.scale_window_s, parameters)
    factor = request.image.suv_factor
    if factor is None:
        raise MissingInformationError(
            "A population curve needs a blood region or dose and weight to scale it by; give one.",
            ("weight_kg", "dose_bq"),
        )
    return from_population_and_dose(request.image.quantity, 1.0 / factor, parameters)
