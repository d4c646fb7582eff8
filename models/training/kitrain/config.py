"""What a training configuration can say, as checked dataclasses with their defaults."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kitrain.targets import Target
from kiview.core.errors import InvalidInputError
from kiview.simulate.frame_methods import Reconstruction
from kiview.simulate.parametric import DirectSettings, DirectUpdate
from kiview.simulate.slab_recipes import KINDS, REGIONS


class ConfigError(InvalidInputError):
    """The configuration names an unknown key or a value outside its limits."""


class Initialisation(StrEnum):
    """How weights begin."""

    KAIMING = "kaiming"
    XAVIER = "xavier"
    GAUSSIAN = "gaussian"
    UNIFORM = "uniform"
    CONSTANT = "constant"
    NETWORK = "network"


class Optimiser(StrEnum):
    """Rule of the steps."""

    SGD = "sgd"
    ADAM = "adam"
    ADAMW = "adamw"
    ADAGRAD = "adagrad"
    ADADELTA = "adadelta"
    RMSPROP = "rmsprop"


class Schedule(StrEnum):
    """How the learning rate goes on from its start."""

    COSINE = "cosine"
    LINEAR = "linear"
    STEP = "step"
    CONSTANT = "constant"


class Ship(StrEnum):
    """Which weights of several seeds are shipped."""

    BEST = "best"
    MEAN = "mean"


class Norm(StrEnum):
    """How an error counts."""

    CHARBONNIER = "charbonnier"
    SQUARE = "l2"


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which people are simulated.

    Attributes:
        train: Number of people to train on.
        validation: Number of people to validate on, a fifth of both by rights.
        test: Number of test people.
        seed: Which people; training and test draw from ranges of seeds that never meet.
        workers: Processes that simulate; 0 takes all cores.
        draw: Which of the people validate: another number, others than before.
        always_validate: More people who validate in every draw and are never learnt from.
        reconstruction: Of the frames of those who are learnt from and validate.
        direct_update: Of their 4-D references: nested EM, or that of the published method.
        kinds: Weight of each phantom family among those who are learnt from and validate.
        regions: Weight of each part of the bodies among them.
        direct_iterations: Passes of the 4-D references; `method` needs several times as many.
    """

    train: int
    validation: int
    test: int
    seed: int = 1
    workers: int = 0
    draw: int = 0
    always_validate: int = 0
    reconstruction: Reconstruction = "osem"
    direct_update: DirectUpdate = "nested"
    direct_iterations: int = DirectSettings().iterations
    kinds: Mapping[str, float] = field(default_factory=lambda: dict(KINDS.items()))
    regions: Mapping[str, float] = field(default_factory=lambda: dict(REGIONS.items()))


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Size of the network.

    Attributes:
        width: Kernels (channels) of the first level.
        levels: Of the U-Net, the finest included: 2, 3 or 4.
        kernel: Side of a convolution kernel in a plane, in voxels: 3 or 5.
        slices: Neighbouring slices it sees: always 5, of which the program makes its features
            (`kiview.nets.preprocess`); here only so that a record tells it.
        with_sigma: Whether it also gives the standard deviation of its Ki.
    """

    width: int = 32
    levels: int = 3
    kernel: int = 3
    slices: int = 5
    with_sigma: bool = False


@dataclass(frozen=True, slots=True)
class InitialConfig:
    """First weights.

    Attributes:
        kind: `kaiming` is the network's own start; `network` goes on with the weights of another;
            the others replace every weight and bias.
        spread: Half width of `uniform`, standard deviation of `gaussian`, gain of `xavier`.
        value: Of `constant`.
        network: Id of a network in the catalogue beside the training code, for `network`.
    """

    kind: Initialisation = Initialisation.KAIMING
    spread: float = 1.0
    value: float = 0.01
    network: str = ""


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """One training run.

    Attributes:
        iterations: Steps; the most, where a stop condition is set.
        epochs: Passes over the area of the training slices, instead of `iterations`; 0 for none.
        batch: Crops per step, of all devices together.
        crop: Side of a crop in voxels, a multiple of 8, for four levels too.
        optimiser: Rule of the steps.
        learning_rate: At the start.
        warm_up: Steps over which the rate first rises from 0.
        schedule: How the rate goes on: to 0 by `cosine` or `linear`, a tenth in the last third by
            `step`, or `constant`.
        momentum: Of `sgd` and `rmsprop`.
        weight_decay: L2 penalty (decoupled in `adamw`).
        tumour_share: Share of the crops centred on a tumour.
        vessel_share: Share of the other crops centred on a narrow vessel.
        autocast: bf16 arithmetic in the forward pass on CUDA; processors keep float32.
        report_every: Steps between validations.
        checkpoint_every: Steps between checkpoints, 0 for none before the end.
    """

    iterations: int = 1000
    epochs: float = 0.0
    batch: int = 12
    crop: int = 64
    optimiser: Optimiser = Optimiser.ADAM
    learning_rate: float = 2e-3
    warm_up: int = 0
    schedule: Schedule = Schedule.COSINE
    momentum: float = 0.9
    weight_decay: float = 0.0
    tumour_share: float = 0.35
    vessel_share: float = 0.0
    autocast: bool = True
    report_every: int = 250
    checkpoint_every: int = 500


@dataclass(frozen=True, slots=True)
class LossConfig:
    """What is minimised.

    Attributes:
        norm: How the error of Ki and V counts: `charbonnier` is robust, `l2` finds the mean of a
            noisy reference.
        charbonnier: Width of the Charbonnier function, in units of the normaliser.
        relative: Weight of the relative square on Ki.
        relative_floor: Added to the target in its denominator.
        v_truth: Weight of V against its target.
        v_direct: Weight of V against the 4-D direct reference.
        gradient: Weight of the error of the in-plane gradient of Ki (edges).
        multiscale: Weight of the error of Ki averaged over 2, 4 and 8 voxels.
        sigma: Weight of the Gaussian likelihood of the error of Ki under the network's own
            standard deviation, where it gives one.
        outside: Weight of voxels outside the body.
        lesion: Factor on the voxels of tumours of middle size; of smaller ones more, so that every
            tumour has its say (`dataset.lesion_weights`).
        vessel: Factor on the voxels of narrow vessels, which a network else takes for tumours
            (`dataset.vessel_weights`).
        blur_mm: FWHM of the smoothing of the targets, 0 for none.
    """

    norm: Norm = Norm.CHARBONNIER
    charbonnier: float = 0.05
    relative: float = 0.25
    relative_floor: float = 0.3
    v_truth: float = 0.2
    v_direct: float = 0.05
    gradient: float = 0.0
    multiscale: float = 0.0
    sigma: float = 0.05
    outside: float = 0.1
    lesion: float = 1.0
    vessel: float = 1.0
    blur_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class StopConfig:
    """When a training ends before its last iteration; 0 switches a condition off.

    Attributes:
        cost_below: Mean cost since the last report below this.
        change_below: Relative change of that cost below this for `patience` reports on end.
        patience: Number of reports.
    """

    cost_below: float = 0.0
    change_below: float = 0.0
    patience: int = 3


@dataclass(frozen=True, slots=True)
class VerdictConfig:
    """What a training has to reach; accuracy is 1 - NRMSE to the target.

    Attributes:
        accuracy: Least on validation.
        gap: Most that training may be better than validation.
        retry: Whether a training that fails is repeated once with the proposed changes.
    """

    accuracy: float = 0.7
    gap: float = 0.1
    retry: bool = True


@dataclass(frozen=True, slots=True)
class VariantConfig:
    """One further training from a finished one.

    Attributes:
        start: `base` or the name of another variant.
        target: Whose maps.
        loss: Complete: what the variant does not say is as in `[loss]`.
        schedule: Complete: what it does not say is as in `[finetune]`.
    """

    start: str
    target: Target
    loss: LossConfig
    schedule: OptimiserConfig


@dataclass(frozen=True, slots=True)
class SliderConfig:
    """Which variants are the ends of the slider; `base`, the common start, may be one.

    Attributes:
        smooth: At position 0.
        sharp: At position 1.
        positions: Among which the shipped one is chosen.
    """

    smooth: str = "smooth"
    sharp: str = "sharp"
    positions: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class CurveConfig:
    """The curve network of a run, trained on its people.

    Attributes:
        network_id: Name of the folder that is made.
        schedule: Steps; `batch` is the number of slabs, `crop` is not used.
        width: Channels of the first level.
        seen_slices: Of each slab that a step sees; what is attended to is chosen among them.
        realisations: Of each person's noise.
        seed: Of first weights and of what each step sees.
        refusal_people: Of each kind of scan that tells when it refuses; 0 asks who validates.
    """

    network_id: str
    schedule: OptimiserConfig
    width: int = 12
    seen_slices: int = 6
    realisations: int = 1
    seed: int = 0
    refusal_people: int = 48


@dataclass(frozen=True, slots=True)
class JointConfig:
    """Training of the curve network and the network that makes maps together, from both apart.

    Attributes:
        schedule: Steps; `batch` is the number of slabs, `crop` is not used.
        seen_slices: Of each slab that a step sees.
        realisations: Of each person's noise.
        seed: Of what each step sees.
    """

    schedule: OptimiserConfig
    seen_slices: int = 4
    realisations: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """The calibration of a network's standard deviation (`calibrate`).

    Attributes:
        people: Who are neither trained on nor judged; every fifth tells whether it is any better.
        schedule: Steps; `batch` is the number of voxels of every tissue, `crop` is not used.
        hidden: Channels of its two layers.
        coverage: Weight of the share of a tissue that lies within two standard deviations, beside
            the likelihood.
        seed: Which people, as `DataConfig.seed`; also of first weights and of what a step sees.
    """

    people: int
    schedule: OptimiserConfig
    hidden: int = 64
    coverage: float = 0.2
    seed: int = 1


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """How much the judgement at the end of a run looks at, besides the test people.

    Attributes:
        conditions: People of every robustness set, 0 for none of them.
        counts: Of the scans with few and with many counts.
        bodies: Whole bodies, for false hot spots and pictures.
    """

    conditions: int = 0
    counts: int = 0
    bodies: int = 0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that decides the shipped weights.

    Attributes:
        network_id: Name of the folder that is made.
        data: Simulated people.
        base: Common start, trained on truth.
        finetune: Of the variants.
        variants: By name, in an order in which each finds its start.
        seeds: Initial draws.
        ship: The seed with the `best` validation; or the `mean` of the weights of all, which needs
            one network that all of them go on from (Wortsman et al. 2022, model soups), where it
            validates as well as the best of them.
        network: Size.
        initial: First weights.
        loss: Of the common start.
        stop: Of every training.
        verdict: What the common start has to reach.
        slider: Its ends.
        curve: The curve network, None where none is trained.
        joint: Of both together (`kitrain joint`), None where they stay apart.
        calibration: Of the standard deviation of the shipped network, None where it stays as it is.
        judge: What the judgement looks at besides the test people, None for nothing.
    """

    network_id: str
    data: DataConfig
    base: OptimiserConfig
    finetune: OptimiserConfig
    variants: Mapping[str, VariantConfig]
    seeds: tuple[int, ...] = (0,)
    ship: Ship = Ship.BEST
    network: NetworkConfig = field(default_factory=NetworkConfig)
    initial: InitialConfig = field(default_factory=InitialConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    verdict: VerdictConfig = field(default_factory=VerdictConfig)
    slider: SliderConfig = field(default_factory=SliderConfig)
    curve: CurveConfig | None = None
    joint: JointConfig | None = None
    calibration: CalibrationConfig | None = None
    judge: JudgeConfig | None = None


def as_table(config: RunConfig) -> dict[str, Any]:
    """The configuration as plain values, for records; what is not made (None) is left out."""
    return {name: said for name, said in dataclasses.asdict(config).items() if said is not None}
