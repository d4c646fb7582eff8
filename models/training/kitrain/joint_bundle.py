"""The folders of two networks that were trained together."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from torch import Tensor

from kitrain.bundle import read_parent, write_card, write_weights
from kitrain.config import CurveConfig, DataConfig, JointConfig, LossConfig, OptimiserConfig
from kitrain.config_file import build
from kitrain.curve_bundle import (
    Recipe,
    card_of,
    ki_network_of,
    trained_curve_network,
    write_curve_network,
)
from kitrain.data import make_split
from kitrain.joint import CURVE, KI, JointTraining, chain_samples, train_jointly, weights_of
from kitrain.leaks import check_splits
from kitrain.learning import Report
from kitrain.pipeline import Run

SUFFIX = "-joint"


@dataclass(frozen=True, slots=True)
class JointRecipe:
    """What two networks are trained together from.

    Attributes:
        config: How.
        data: People.
        ki_folder: Of the network that makes maps.
        curve_folder: Of the curve network; the network whose maps it sees lies beside it.
        loss: Of the Ki maps.
    """

    config: JointConfig
    data: DataConfig
    ki_folder: Path
    curve_folder: Path
    loss: LossConfig

    @property
    def command(self) -> str:
        """Of kitrain, for the cards."""
        ki, curve = self.ki_folder.name, self.curve_folder.name
        return f"joint --network models/{ki} --curve models/{curve}"


def make_joint_networks(
    recipe: JointRecipe, data: Path, out: Path, report: Report
) -> tuple[Path, Path]:
    """Simulate what is not there, train both, and write `ID-joint` of each into `out`.

    The features of the curve network stay those that it was trained with.

    Returns:
        Folders of the network that makes maps and of the curve network.

    Raises:
        LeakError: a person is in both splits.
        NetworkError: a network cannot be used.
    """
    config, names = recipe.config, ("train", "validation")
    splits = {name: make_split(name, recipe.data, data, report) for name in names}
    check_splits(*splits.values())
    said = card_of(recipe.curve_folder)
    feature_folder = recipe.curve_folder.parent / said["ki_network"]["id"]
    features = ki_network_of(feature_folder)
    report("computing what the chain sees")
    count = config.realisations
    samples = {n: list(chain_samples(s.paths, features, count)) for n, s in splits.items()}
    training = JointTraining(config.seen_slices, config.schedule, recipe.loss, config.seed)
    start = trained_curve_network(recipe.curve_folder), ki_network_of(recipe.ki_folder)
    pair = samples["train"], samples["validation"]
    trained = train_jointly(training, start, pair, out, report)
    hashes = {name: split.sha256 for name, split in splits.items()}
    ki = _write_ki(recipe, weights_of(trained, KI), hashes, out)
    known = said["training"]["config"]["curve"]
    schedule = build(OptimiserConfig, known["schedule"], "the card of the curve network")
    told = known | {"schedule": schedule, "network_id": recipe.curve_folder.name + SUFFIX}
    after = build(CurveConfig, told, "the card of the curve network")
    made = Recipe(after, recipe.data, feature_folder, recipe.command)
    seen = {n: [sample.curve for sample in chosen] for n, chosen in samples.items()}
    own = replace(trained, weights=weights_of(trained, CURVE))
    return ki, write_curve_network(made, own, seen, hashes, out, report)


def _write_ki(
    recipe: JointRecipe, weights: dict[str, Tensor], hashes: Mapping[str, str], out: Path
) -> Path:
    parent = read_parent(recipe.ki_folder)
    folder = out / (recipe.ki_folder.name + SUFFIX)
    folder.mkdir(parents=True, exist_ok=True)
    record = parent.run.record | {"shipped_position": 1.0, "has_slider": False}
    files, difference = write_weights(Run(weights, weights, record, {}), folder)
    card = {name: value for name, value in parent.card.items() if name != "slider"} | files
    card |= {"id": folder.name, "version": "1.0.0", "results": {}}
    card["title"] = f"{parent.card['title']}, with curves found by a network"
    card["training"] = parent.card["training"] | {
        "command": f"python -m kitrain {recipe.command}",
        "parent_card_sha256": parent.card_sha256,
        "torch_onnxruntime_difference": float(f"{difference:.2g}"),
        "data_sha256": dict(hashes),
        "joint": asdict(recipe.config),
    }
    write_card(folder, card, "")
    return folder
