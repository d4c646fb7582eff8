"""Header of a multi-frame PET object in the words of single-slice PET, for derived objects."""

import copy

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from kiview.io.dicom_multiframe_values import dose_in_bq
from kiview.io.dicom_tags import ENHANCED_PET, MULTI_FRAME_PET

_CORRECTIONS = {
    "DetectorNormalizationCorrection": "NORM",
    "DeadTimeCorrected": "DTIM",
    "GantryMotionCorrected": "MOTN",
    "PatientMotionCorrected": "PMOT",
    "CountLossNormalizationCorrected": "CLN",
    "RandomsCorrected": "RAN",
    "NonUniformRadialSamplingCorrected": "RADL",
    "SensitivityCalibrated": "DCAL",
    "DecayCorrected": "DECY",
    "AttenuationCorrected": "ATTN",
    "ScatterCorrected": "SCAT",
}
"""Attribute of PS3.3 C.8.22.6 -> its word in CorrectedImage."""


def in_single_slice_words(dataset: Dataset) -> Dataset:
    """The header of any image as a single-slice file would say it.

    Args:
        dataset: Header without pixels; not changed. Other kinds than multi-frame PET come back as
            they are.
    """
    if dataset.get("SOPClassUID") not in MULTI_FRAME_PET:
        return dataset
    plain = Dataset()
    for shared in dataset.get("SharedFunctionalGroupsSequence") or []:
        for kept in shared.get("UnassignedSharedConvertedAttributesSequence") or []:
            plain.update(kept)
    plain.update(
        {element.tag: element for element in dataset if element.tag.group not in (0x5200, 0x7FE0)}
    )
    if dataset.SOPClassUID == ENHANCED_PET:
        _add_corrections(plain)
        agents = plain.get("RadiopharmaceuticalInformationSequence") or []
        plain.RadiopharmaceuticalInformationSequence = Sequence([_agent(one) for one in agents])
    moment = str(plain.get("AcquisitionDateTime") or "")
    if moment and not plain.get("AcquisitionTime"):
        plain.AcquisitionDate, plain.AcquisitionTime = moment[:8], _time_of(moment)
    return plain


def _time_of(moment: str) -> str:
    """Time of day of a DICOM date-time, without its zone."""
    return moment[8:].partition("+")[0].partition("-")[0]


def _add_corrections(plain: Dataset) -> None:
    plain.CorrectedImage = [
        word for keyword, word in _CORRECTIONS.items() if plain.get(keyword) == "YES"
    ]
    corrected, moment = plain.get("DecayCorrected"), str(plain.get("DecayCorrectionDateTime") or "")
    if corrected == "NO":
        plain.DecayCorrection = "NONE"
    elif corrected == "YES" and moment:
        agents = plain.get("RadiopharmaceuticalInformationSequence") or []
        injections = {str(one.get("RadiopharmaceuticalStartDateTime") or "") for one in agents}
        plain.DecayCorrection = "ADMIN" if injections == {moment} else "START"


def _agent(enhanced: Dataset) -> Dataset:
    """Radiopharmaceutical with its dose in Bq, as single-slice PET wants it."""
    agent = copy.deepcopy(enhanced)
    dose = dose_in_bq(str(agent.get("RadionuclideTotalDose") or ""))
    if "RadionuclideTotalDose" in dose:
        agent.RadionuclideTotalDose = dose["RadionuclideTotalDose"]
    moment = str(agent.get("RadiopharmaceuticalStartDateTime") or "")
    if moment and not agent.get("RadiopharmaceuticalStartTime"):
        agent.RadiopharmaceuticalStartTime = _time_of(moment)
    if "RadiopharmaceuticalAgentNumber" in agent:
        del agent.RadiopharmaceuticalAgentNumber
    return agent
