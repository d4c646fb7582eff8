"""Text of a network card."""

from collections.abc import Mapping
from typing import Any

from kitrain.evaluate import CONTROL, NETWORK, TIED, Evaluation, verdict

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

## What it was trained on

Simulated slabs only ({train} for training, {validation} for validation): random torsos (80 %),
brains, uniform bodies and NEMA-like bodies; FDG, irreversible two-tissue kinetics; 2-D sinograms of
every slice with attenuation, scatter, randoms, detector blur and Poisson noise; OSEM. Counts
{counts} trues per slice and five minutes; {count} frames of {length} min, the first starting
{start} min after injection; pixels of {pixels} mm; noise gain g {gain}. References: true Ki
and V0 of the phantom, and V0 of a 4-D direct Patlak reconstruction (nested EM) of the same counts.

Command: `{command}` ({device}, {minutes} min), seed {seed} of {seeds} (chosen by validation),
configuration and hashes of the data in `card.toml`. Validation NRMSE by seed: {by_seed}.
torch and onnxruntime differ by {difference} (relative).

## Scores

`python -m kitrain evaluate --network models/{id} --slabs {slabs} --conditions {per_condition}`
simulates {slabs} torsos no training has seen (standard protocol: 6 x 5 min from 30 min, 6e5 trues)
and prints every number below; `--seed` takes other people. Means over slabs and two noise
realisations; {lesions} lesions. Definitions: `kitrain/metrics.py`, `kitrain/evaluate.py`.

{table}

{verdict}. The control (`{control}`) must be worse than `{network}`. `{tied}` is what
the program shows unless the tie is switched off.

V0:

{v_table}

### Other conditions

NRMSE to truth, {per_condition} slabs each; the best width of each filter is chosen for every row.

{conditions}

### Slider

W(a) = (1 - a) smooth + a sharp; a = {position} is shipped. Without the tie to Patlak:

{slider}

## What it gets wrong

- It is trained on truth, so it is no copy of the 4-D direct image. By similarity to that image
  filtered Patlak is closer (of the same counts: it shares their noise), and HYPR-like maps are
  closer even to the direct image of an independent scan: the direct image is itself blurred and
  biased, see its own row.
- It knows simulated people only. Outside that (other tracers, tissues with k4, motion, another
  scanner's noise or blur) it leans towards what it has seen; the tie to Patlak at 30 mm limits this
  and the map of its correction shows where. Look at the Patlak map beside it.
- Small lesions are too faint, as in every filtered map. The last column says how many were nearly
  lost here; a lesion unlike the simulated ones (6 to 25 mm, hot or cold) may be.
- The widths of the rivals were chosen on the test people, in their favour. Weights, seed and slider
  position were chosen on validation, but earlier versions had been scored on the same test people
  before the last changes: `--seed N` judges on people nobody has seen. Nearly lost lesions vary
  between such sets from none to one in twenty (`--seed 90210`), more than filtered Patlak loses.
- Noise of neighbouring slices is independent in the simulation; in real scanners it is not, so the
  gain from neighbouring slices will be smaller.
- Whole blood was taken for plasma, the input function was known exactly, attenuation was right.
- Never checked against patients: there is no public dynamic scan with known Ki.
"""


def card_markdown(
    card: Mapping[str, Any], evaluation: Evaluation, tables: Mapping[str, str]
) -> str:
    """The readable card of an evaluated network."""
    domain, training = card["domain"], card["training"]
    by_seed = training["validation_nrmse_by_seed"]
    low, high = domain["trues_per_slice_and_5_min"]
    return _TEXT.format(
        title=card["title"],
        id=card["id"],
        version=card["version"],
        licence=card["licence"],
        frames=domain["frame_count"][0],
        voxel=" x ".join(f"{d:g}" for d in card["voxel_mm"]),
        train=training["config"]["data"]["train"],
        validation=training["config"]["data"]["validation"],
        counts=f"{low:.0e} to {high:.0e}",
        count=_range(domain["frame_count"]),
        length=_range(domain["frame_length_min"]),
        start=_range(domain["start_min"]),
        pixels=_range(domain["source_voxel_mm"]),
        gain=_range(domain["noise_gain"]),
        command=training["command"],
        device=training["device"],
        minutes=training["minutes"],
        seed=training["seed"],
        seeds=", ".join(by_seed),
        by_seed=", ".join(f"{seed}: {score}" for seed, score in by_seed.items()),
        difference=training["torch_onnxruntime_difference"],
        slabs=evaluation.slabs,
        lesions=evaluation.lesions,
        per_condition=card["results"]["slabs_per_condition"],
        verdict=verdict(evaluation),
        control=CONTROL,
        network=NETWORK,
        tied=TIED,
        position=card["slider"]["shipped_position"],
        **tables,
    )


def _range(pair: list[float]) -> str:
    return f"{pair[0]:.3g} to {pair[1]:.3g}"
