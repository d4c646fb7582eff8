"""Text of a network card."""

from collections.abc import Mapping
from typing import Any

from kitrain.evaluate import Judgement
from kitrain.methods import CONTROL, NETWORK, SHIPPED
from kitrain.report import LESIONS_NAME, REPORT_NAME, bars_table, scores_table
from kitrain.simulated import DIRECT_METHODS
from kiview.simulate.slab_recipes import KINDS, REGIONS

_PEOPLE = (
    "slabs of simulated people, head to mid-thigh, both sexes, 45 to 130 kg (78 %), torsos and test"
    " objects"
)
_PHYSICS = (
    "FDG with irreversible and, in a quarter, reversible two-tissue kinetics; varied"
    " plasma curves, arrival delays and plasma/blood ratios; 40 % with an input function as it"
    " would be measured; 2-D sinograms with attenuation, scatter and randoms known with error,"
    " detector blur, faulty modules, Poisson noise shared between slices"
)
_TEXT = """# {title} ({id} {version})

Research use only. Maps SUV or activity frames and a plasma curve to the net influx rate Ki
(mL/min/mL) and the distribution volume V0 (mL/mL). Follows the method of US 2021/0272340 A1
(granted as US 11,010,938). Licence {licence}.

## What goes in and comes out

Frames decay-corrected to injection and an input function in the same unit, any {frames} frames or
more. `kiview.nets.preprocess` turns them into 31 channels (Patlak Ki and V, uptake ratio of all,
early and late frames, smoothed Ki, each of five neighbouring slices, and the noise gain g of the
protocol), divided by constants of the study: doubling the curve halves Ki exactly. The network
works on {voxel} mm voxels; frames are resampled to that, and the map keeps that grid.

The program then makes the map consistent with Patlak of the same frames (`nets/tie.py`): scaled to
within 5 % of it at 30 mm; what Patlak shows at 8 mm beyond one standard deviation of its noise is
given back, and what the network shows there beyond two more than Patlak is scaled down to that (up
to two and a half times as many in noisy scans).

## What it was trained on

Simulation only ({train} scans for training, {validation} for validation): {people}. Counts {counts}
trues per slice and five minutes; {count} frames of {length} min, the first starting {start} min
after injection; pixels of {pixels} mm; noise gain g {gain}. References: {references}.

Command: `{command}` ({device}, {minutes} min), {weights},
configuration and hashes of the data in `card.toml`. Validation NRMSE by seed: {by_seed}.
torch and onnxruntime differ by {difference} (relative).

## Scores

From [{report}]({report}), which tells how and holds every table; every lesion is in
[{lesions}]({lesions}). `{shipped}` is what the program shows unless the consistency step is
switched off; the control (`{control}`) must be worse than `{network}`.

{bars}

{table}

## What it gets wrong

- {target}
- It knows simulated people only. Outside that (other tracers, motion, another scanner's noise or
  blur) it leans towards what it has seen; the consistency step limits this and the map of its
  correction shows where. Look at the Patlak map beside it.
- Small lesions are too faint, as in every filtered map, and some are lost: most often those whose
  uptake equals their surroundings and only Ki differs. The table says how many.
- Never checked against patients: there is no public dynamic scan with known Ki.
"""
_NESTED_EM = "Ki and V0 of a 4-D\ndirect Patlak reconstruction (nested EM) of"
_REFERENCES = {
    "truth": "true Ki and V0 of the\nphantom, and V0 of a 4-D direct Patlak reconstruction"
    " (nested EM) of the same counts",
    "direct": f"{_NESTED_EM} the same counts",
    "indep": f"{_NESTED_EM} another scan of the same person",
}
_TARGETS = {
    "truth": """\
It is trained on truth, so it is no copy of the 4-D direct image, which shares its noise with
  filtered Patlak of the same counts: by likeness to that image filtered Patlak can be closer.""",
    "direct": """\
It is trained to copy the 4-D direct image of the same counts, noise included (the claim of the
  method); closer to truth than that image it cannot be. It is for comparisons, not for reading.""",
    "indep": """\
It is trained towards the 4-D direct image of other counts, as real data allow it: what is wrong
  in the mean of such images (small lesions too faint) is wrong in its maps.""",
}


def card_markdown(card: Mapping[str, Any], judged: Judgement) -> str:
    """The readable card of a judged network."""
    domain, training = card["domain"], card["training"]
    by_seed = training["validation_nrmse_by_seed"]
    low, high = domain["trues_per_slice_and_5_min"]
    data = training["config"]["data"]
    return _TEXT.format(
        title=card["title"],
        id=card["id"],
        version=card["version"],
        licence=card["licence"],
        frames=domain["frame_count"][0],
        voxel=" x ".join(f"{d:g}" for d in card["voxel_mm"]),
        train=data["train"],
        validation=data["validation"],
        people=training.get("people", people_of(data)),
        counts=f"{low:.0e} to {high:.0e}",
        count=_range(domain["frame_count"]),
        length=_range(domain["frame_length_min"]),
        start=_range(domain["start_min"]),
        pixels=_range(domain["source_voxel_mm"]),
        gain=_range(domain["noise_gain"]),
        command=training["command"],
        device=training["device"],
        minutes=training["minutes"],
        references=_references(training.get("target", "truth"), data),
        target=_TARGETS[training.get("target", "truth")],
        weights=training.get("weights", f"seed {training['seed']} (chosen by validation)"),
        by_seed=", ".join(f"{seed}: {score}" for seed, score in by_seed.items()),
        difference=training["torch_onnxruntime_difference"],
        report=REPORT_NAME,
        lesions=LESIONS_NAME,
        shipped=SHIPPED,
        control=CONTROL,
        network=NETWORK,
        bars=bars_table(judged.bars),
        table=scores_table(judged.standard.methods),
    )


def people_of(data: Mapping[str, Any]) -> str:
    """Who was learnt from, by the configuration of the data; older ones say less."""
    kinds, regions = data.get("kinds", KINDS), data.get("regions", REGIONS)
    usual = (kinds, regions) == (KINDS, REGIONS)
    mix = f"slabs of {_shares(kinds)}; of a body {_shares(regions)}"
    reconstruction = data.get("reconstruction", "osem").upper()
    return f"{_PEOPLE if usual else mix}; {_PHYSICS}; {reconstruction}"


def _shares(weights: Mapping[str, float]) -> str:
    total = sum(weights.values())
    return ", ".join(f"{name} ({w / total:.0%})" for name, w in weights.items() if w)


def _references(target: str, data: Mapping[str, Any]) -> str:
    """What it learns from; nested EM unless the configuration of the data says another update."""
    said = DIRECT_METHODS[data.get("direct_update", "nested")]
    return _REFERENCES[target].replace(DIRECT_METHODS["nested"], said)


def _range(pair: list[float]) -> str:
    return f"{pair[0]:.3g} to {pair[1]:.3g}"
