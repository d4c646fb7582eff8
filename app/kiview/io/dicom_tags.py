"""Which DICOM elements are read from headers, under which names."""

TOP_LEVEL: dict[int, tuple[str, str]] = {
    0x00080005: ("SpecificCharacterSet", "CS"),
    0x00080008: ("ImageType", "CS"),
    0x00080016: ("SOPClassUID", "UI"),
    0x00080018: ("SOPInstanceUID", "UI"),
    0x00080020: ("StudyDate", "DA"),
    0x00080021: ("SeriesDate", "DA"),
    0x00080022: ("AcquisitionDate", "DA"),
    0x0008002A: ("AcquisitionDateTime", "DT"),
    0x00080031: ("SeriesTime", "TM"),
    0x00080032: ("AcquisitionTime", "TM"),
    0x00080060: ("Modality", "CS"),
    0x00080070: ("Manufacturer", "LO"),
    0x00080201: ("TimezoneOffsetFromUTC", "SH"),
    0x0008103E: ("SeriesDescription", "LO"),
    0x00081090: ("ManufacturerModelName", "LO"),
    0x00100010: ("PatientName", "PN"),
    0x00100020: ("PatientID", "LO"),
    0x00100040: ("PatientSex", "CS"),
    0x00101020: ("PatientSize", "DS"),
    0x00101030: ("PatientWeight", "DS"),
    0x00120062: ("PatientIdentityRemoved", "CS"),
    0x00180015: ("BodyPartExamined", "CS"),
    0x00180050: ("SliceThickness", "DS"),
    0x00181242: ("ActualFrameDuration", "IS"),
    0x00189701: ("DecayCorrectionDateTime", "DT"),
    0x00189758: ("DecayCorrected", "CS"),
    0x00189759: ("AttenuationCorrected", "CS"),
    0x0020000D: ("StudyInstanceUID", "UI"),
    0x0020000E: ("SeriesInstanceUID", "UI"),
    0x00200013: ("InstanceNumber", "IS"),
    0x00200032: ("ImagePositionPatient", "DS"),
    0x00200037: ("ImageOrientationPatient", "DS"),
    0x00200052: ("FrameOfReferenceUID", "UI"),
    0x00280002: ("SamplesPerPixel", "US"),
    0x00280008: ("NumberOfFrames", "IS"),
    0x00280010: ("Rows", "US"),
    0x00280011: ("Columns", "US"),
    0x00280030: ("PixelSpacing", "DS"),
    0x00280051: ("CorrectedImage", "CS"),
    0x00280100: ("BitsAllocated", "US"),
    0x00280101: ("BitsStored", "US"),
    0x00280102: ("HighBit", "US"),
    0x00280103: ("PixelRepresentation", "US"),
    0x00281052: ("RescaleIntercept", "DS"),
    0x00281053: ("RescaleSlope", "DS"),
    0x00281054: ("RescaleType", "LO"),
    0x00282110: ("LossyImageCompression", "CS"),
    0x00541000: ("SeriesType", "CS"),
    0x00541001: ("Units", "CS"),
    0x00540081: ("NumberOfSlices", "US"),
    0x00541006: ("SUVType", "CS"),
    0x00541102: ("DecayCorrection", "CS"),
    0x00541300: ("FrameReferenceTime", "DS"),
    0x00541321: ("DecayFactor", "DS"),
    0x00541330: ("ImageIndex", "US"),
}
"""Tag -> (keyword, value representation)."""

RADIOPHARMACEUTICALS = 0x00540016
NUCLIDE_CODES = 0x00540300
SEQUENCES = (RADIOPHARMACEUTICALS, NUCLIDE_CODES)

RADIOPHARMACEUTICAL: dict[int, tuple[str, str]] = {
    0x00180031: ("Radiopharmaceutical", "LO"),
    0x00181072: ("RadiopharmaceuticalStartTime", "TM"),
    0x00181074: ("RadionuclideTotalDose", "DS"),
    0x00181075: ("RadionuclideHalfLife", "DS"),
    0x00181078: ("RadiopharmaceuticalStartDateTime", "DT"),
}
"""Elements of the first radiopharmaceutical."""
FURTHER = "Further"
"""Before a keyword: values of the further radiopharmaceuticals, one part for each."""

NUCLIDE: dict[int, tuple[str, str]] = {0x00080104: ("Radionuclide", "LO")}
"""Elements of its first radionuclide code."""

NESTED = {RADIOPHARMACEUTICALS: RADIOPHARMACEUTICAL, NUCLIDE_CODES: NUCLIDE}

PRIVATE: dict[tuple[int, str, int], tuple[str, str]] = {
    (0x0009, "GEMS_PETD_01", 0x0D): ("GeScanDateTime", "DT"),
    (0x0071, "SIEMENS MED PT", 0x22): ("SiemensDecayDateTime", "DT"),
    (0x7053, "PHILIPS PET PRIVATE GROUP", 0x00): ("PhilipsSuvFactor", "DS"),
    (0x7053, "PHILIPS PET PRIVATE GROUP", 0x09): ("PhilipsActivityFactor", "DS"),
}
"""(group, creator in capitals, element in the block) -> (name, value representation)."""

PRIVATE_GROUPS = frozenset(group for group, _, _ in PRIVATE)

ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
LEGACY_CONVERTED_PET = "1.2.840.10008.5.1.4.1.1.128.1"
MULTI_FRAME_PET = frozenset((ENHANCED_PET, LEGACY_CONVERTED_PET))
"""SOP classes that hold many slices, described by functional groups."""
MULTI_FRAME_VOLUMES = frozenset(
    (
        "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # legacy converted enhanced CT
        "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
        "1.2.840.10008.5.1.4.1.1.4.4",  # legacy converted enhanced MR
    )
)
"""CT and MR of the same making."""
MULTI_FRAME = MULTI_FRAME_PET | MULTI_FRAME_VOLUMES

SHARED_GROUPS, PER_FRAME_GROUPS = 0x52009229, 0x52009230
FUNCTIONAL_GROUPS = (SHARED_GROUPS, PER_FRAME_GROUPS)
"""Functional groups of multi-frame objects."""

PIXEL_DATA = (0x7FE00010, 0x7FE00008, 0x7FE00009)
"""Integer, float and double pixel data."""

NUMBER_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
"""Binary value representations and their struct codes."""
