"""Everything the window shows, in one object; built by the application."""

from dataclasses import dataclass

from kiview.tasks import TaskRunner
from kiview.viewmodels.agreement import AgreementViewModel
from kiview.viewmodels.catalog import CatalogViewModel
from kiview.viewmodels.columns import ColumnsCoordinator
from kiview.viewmodels.curves import CurvesViewModel
from kiview.viewmodels.export import ExportViewModel
from kiview.viewmodels.frame_table import FrameTableViewModel
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.viewmodels.kept import KeptViewModel
from kiview.viewmodels.library import LibraryViewModel
from kiview.viewmodels.machine import MachineViewModel
from kiview.viewmodels.maps import MapsViewModel
from kiview.viewmodels.merge import MergeViewModel
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.network import NetworkViewModel
from kiview.viewmodels.overrides import OverridesViewModel
from kiview.viewmodels.patient_form import PatientFormViewModel
from kiview.viewmodels.patlak_point import PatlakPointViewModel
from kiview.viewmodels.preview import PreviewViewModel
from kiview.viewmodels.probe import ProbeViewModel
from kiview.viewmodels.results import ResultsViewModel
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.session import SessionViewModel
from kiview.viewmodels.study import StudyViewModel
from kiview.viewmodels.study_regions import StudyRegionsViewModel
from kiview.viewmodels.tasks import TasksViewModel
from kiview.viewmodels.undo import UndoViewModel
from kiview.viewmodels.update import UpdateViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.viewmodels.weight_editor import WeightEditorViewModel
from kiview.viewmodels.weight_files import WeightFilesViewModel


@dataclass(frozen=True, slots=True, eq=False)
class WindowModels:
    """View models of one window, each described in its own module."""

    runner: TaskRunner
    messages: MessagesViewModel
    tasks: TasksViewModel
    study: StudyViewModel
    overrides: OverridesViewModel
    patient_form: PatientFormViewModel
    frame_table: FrameTableViewModel
    library: LibraryViewModel
    views: ViewsViewModel
    rois: RoisViewModel
    study_regions: StudyRegionsViewModel
    curves: CurvesViewModel
    input_function: InputFunctionViewModel
    results: ResultsViewModel
    maps: MapsViewModel
    merge: MergeViewModel
    kept: KeptViewModel
    network: NetworkViewModel
    catalog: CatalogViewModel
    agreement: AgreementViewModel
    columns: ColumnsCoordinator
    patlak_point: PatlakPointViewModel
    preview: PreviewViewModel
    weight_editor: WeightEditorViewModel
    weight_files: WeightFilesViewModel
    probe: ProbeViewModel
    update: UpdateViewModel
    export: ExportViewModel
    session: SessionViewModel
    machine: MachineViewModel
    undo: UndoViewModel
