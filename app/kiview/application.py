"""The only place that builds objects and connects them."""

import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from kiview import __version__, paths
from kiview.core.input_function import InputFunction
from kiview.core.progress import Progress
from kiview.core.study import Study
from kiview.io.curve_files import read_input_function
from kiview.jobs.compare_maps import compare_maps
from kiview.jobs.compute_patlak import compute_patlak
from kiview.jobs.demo_study import demo_regions, ensure_demo_study
from kiview.jobs.export import export_maps
from kiview.jobs.input_curve import build_input_function
from kiview.jobs.library import keep_entered, list_studies, record_study, remove_study
from kiview.jobs.networks import installed_networks
from kiview.jobs.open_kept import open_as_kept
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.preview_network import PreviewJob, preview_network
from kiview.jobs.probe_network import ProbeJob, probe_network
from kiview.jobs.region_objects import read_structures
from kiview.jobs.save_regions import save_regions
from kiview.jobs.update_network import UpdateJob, can_train, update_network
from kiview.nets.catalog import Catalog
from kiview.nets.infer import run_network
from kiview.settings import store
from kiview.tasks import TaskRunner, failure_of
from kiview.viewmodels.agreement import AgreementViewModel, CompareJob
from kiview.viewmodels.catalog import CatalogViewModel
from kiview.viewmodels.columns import ColumnsCoordinator
from kiview.viewmodels.curves import CurvesViewModel
from kiview.viewmodels.demo import DemoViewModel
from kiview.viewmodels.export import ExportJob, ExportViewModel
from kiview.viewmodels.found_curve import FindCurveJob, FoundCurveViewModel
from kiview.viewmodels.frame_table import FrameTableViewModel
from kiview.viewmodels.input_function import InputFunctionViewModel, ReadCurveJob
from kiview.viewmodels.kept import KeepJob, KeptViewModel
from kiview.viewmodels.layers import DisplayWindow
from kiview.viewmodels.library import LibraryJobs, LibraryViewModel
from kiview.viewmodels.machine import MachineViewModel
from kiview.viewmodels.maps import MapsViewModel, PatlakJob
from kiview.viewmodels.merge import MergeViewModel
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.network import NetworkJob, NetworkViewModel
from kiview.viewmodels.overrides import OverridesViewModel
from kiview.viewmodels.patient_form import PatientFormViewModel
from kiview.viewmodels.patlak_point import PatlakPointViewModel
from kiview.viewmodels.preview import PreviewViewModel
from kiview.viewmodels.probe import ProbeViewModel
from kiview.viewmodels.results import ResultsViewModel
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.session import KeptModels, SessionViewModel
from kiview.viewmodels.study import OpenJob, Overrides, StudyViewModel
from kiview.viewmodels.study_regions import ReadJob, SaveJob, StudyRegionsViewModel
from kiview.viewmodels.tasks import TasksViewModel
from kiview.viewmodels.undo import UndoViewModel
from kiview.viewmodels.update import UpdateViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.viewmodels.weight_editor import WeightEditorViewModel
from kiview.viewmodels.weight_files import WeightFilesViewModel
from kiview.viewmodels.window import WindowModels
from kiview.views import theme
from kiview.views.main_window import MainWindow
from kiview.views.offscreen_journey import OffscreenJourney

_INTERRUPTED = 130
_DEMO_SHARE = 0.95
"""Share of opening the demo study for the first time that goes into making it."""
_TURN_S = 0.001
"""How long a worker keeps the interpreter when the window wants it; Python's 5 ms, several times in
one picture, are seen."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """Long work that the window can start; tests pass small fakes.

    Attributes:
        open_study: (path, entered values or None for those kept, study UID, progress) -> study.
        read_curve: (path, progress) -> input function.
        find_curve: The input function by a network.
        patlak: Patlak maps.
        network: Network maps.
        preview: The next step of a network map with other weights.
        probe: Scores of weights on the built-in phantom.
        update: A new version of a network from added cases.
        compare: Agreement of two maps.
        export: Files.
        library: The list of studies.
        keep: What was entered, for the next time.
        read_structures: Regions of a structure set or segmentation.
        save_regions: Regions to a file.
    """

    open_study: OpenJob
    read_curve: ReadCurveJob
    find_curve: FindCurveJob
    patlak: PatlakJob
    network: NetworkJob
    preview: PreviewJob
    probe: ProbeJob
    update: UpdateJob
    compare: CompareJob
    export: ExportJob
    library: LibraryJobs
    keep: KeepJob
    read_structures: ReadJob
    save_regions: SaveJob


def run(
    study: tuple[Path, str] | None = None,
    *,
    demo: bool = False,
    offscreen_output: Path | None = None,
) -> int:
    """Open the window, or do the demo's journey without one.

    Args:
        study: Path of the study to open at once, and the UID that it must have; empty for any.
        demo: Open the demo study and compute its maps.
        offscreen_output: With `demo`: needs no display; pictures, maps and numbers go here.

    Returns:
        Exit code.
    """
    if offscreen_output is not None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = make_qt_application()
    models = build_models(shipped_jobs())
    provide_networks(models)
    apply_settings(models)
    window = MainWindow(models)
    leader = demo_model(models)
    window.demo_asked.connect(leader.start)
    window.show()
    models.library.refresh()
    sys.excepthook = CrashHook(models.messages)
    gc.freeze()  # what exists now stays: later collections need not look at it
    journey: QObject | None = None
    if offscreen_output is not None:
        journey = OffscreenJourney(window, models, leader, offscreen_output)
        journey.start()
    elif demo:
        leader.start()
    elif study is not None:
        path, uid = study
        models.study.open_path(path, study_uid=uid)
    return application.exec()


class CrashHook:
    """Tells what nobody expected in the banner, and keeps the window open."""

    def __init__(self, messages: MessagesViewModel) -> None:
        self._messages = messages

    def __call__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Take the place of `sys.excepthook`."""
        if issubclass(kind, KeyboardInterrupt):
            QApplication.exit(_INTERRUPTED)
            return
        self._messages.show_failure(failure_of(error.with_traceback(trace)))


def make_qt_application() -> QApplication:
    """The Qt application with KiView's look; the one that exists is used again."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("KiView")
    application.setApplicationVersion(__version__)
    sys.setswitchinterval(_TURN_S)
    theme.apply(application)
    return application


def shipped_jobs() -> Jobs:
    """The real work."""
    return Jobs(
        open_study=_open_study,
        read_curve=_read_curve,
        find_curve=build_input_function,
        patlak=compute_patlak,
        network=run_network,
        preview=preview_network,
        probe=probe_network,
        update=update_network,
        compare=compare_maps,
        export=export_maps,
        library=LibraryJobs(record_study, list_studies, remove_study),
        keep=keep_entered,
        read_structures=read_structures,
        save_regions=save_regions,
    )


def build_models(jobs: Jobs) -> WindowModels:
    """View models of one window, connected."""
    runner, messages = TaskRunner(), MessagesViewModel()
    study = StudyViewModel(runner, messages, jobs.open_study)
    overrides = OverridesViewModel(study)
    views, rois = ViewsViewModel(), RoisViewModel()
    curves = CurvesViewModel(runner, study, rois)
    found = FoundCurveViewModel(runner, study, messages, jobs.find_curve)
    input_function = InputFunctionViewModel(runner, study, curves, messages, jobs.read_curve, found)
    results = ResultsViewModel()
    maps = MapsViewModel(runner, study, input_function, results, messages, jobs.patlak)
    merge = MergeViewModel(study, maps, messages)
    network = NetworkViewModel(runner, maps, results, messages, jobs.network)
    agreement = AgreementViewModel(runner, study, results, curves, messages, jobs.compare)
    catalog = CatalogViewModel(network, messages, _installed_networks)
    update = UpdateViewModel(runner, network, messages, jobs.update, can_train)
    update.updated.connect(catalog.refresh)
    columns = ColumnsCoordinator(study, results, agreement, views)
    return WindowModels(
        runner=runner,
        messages=messages,
        tasks=TasksViewModel(runner),
        study=study,
        overrides=overrides,
        patient_form=PatientFormViewModel(overrides),
        frame_table=FrameTableViewModel(overrides),
        library=LibraryViewModel(runner, study, messages, jobs.library),
        views=views,
        rois=rois,
        study_regions=StudyRegionsViewModel(
            runner, study, rois, messages, jobs.read_structures, jobs.save_regions
        ),
        curves=curves,
        input_function=input_function,
        results=results,
        maps=maps,
        merge=merge,
        kept=KeptViewModel(runner, study, merge, messages, jobs.keep),
        network=network,
        catalog=catalog,
        agreement=agreement,
        columns=columns,
        patlak_point=PatlakPointViewModel(study, rois, curves, input_function, maps, views),
        preview=PreviewViewModel(runner, network, results, columns, views, jobs.preview),
        weight_editor=WeightEditorViewModel(runner, network),
        weight_files=WeightFilesViewModel(runner, network, messages),
        probe=ProbeViewModel(runner, network, messages, jobs.probe),
        update=update,
        export=ExportViewModel(runner, study, input_function, results, messages, jobs.export),
        session=SessionViewModel(
            runner, KeptModels(study, rois, views, input_function, maps), messages
        ),
        machine=MachineViewModel(network),
        undo=UndoViewModel(rois, network, overrides, merge),
    )


def apply_settings(models: WindowModels) -> None:
    """Let the window start with what the user set."""
    loaded = store.load()
    settings = loaded.settings
    models.maps.set_window_min(settings.patlak_start_min, settings.patlak_end_min)
    models.input_function.set_scale_window_min(
        settings.population_scale_start_min, settings.population_scale_end_min
    )
    models.views.scales.set_default_window("SUV", DisplayWindow(0.0, settings.suv_window_max))
    models.views.scales.set_default_window("Ki", DisplayWindow(0.0, settings.ki_window_max))
    models.views.scales.set_default_colormaps(settings.pet_colormap, settings.map_colormap)
    for notice in loaded.notices:
        models.messages.show(notice)


def provide_networks(models: WindowModels) -> None:
    """Offer the networks of KiView, the site and the user, or say why there is none."""
    models.catalog.refresh()


def demo_model(models: WindowModels) -> DemoViewModel:
    """What leads through the demo study."""
    return DemoViewModel(paths.demo_study_dir(), models, demo_regions)


def _installed_networks() -> Catalog:
    return installed_networks(store.load().settings.site_networks_folder)


def _open_study(
    path: Path, overrides: Overrides | None, study_uid: str, progress: Progress
) -> Study:
    limit_bytes = store.load().settings.voxel_cache_limit_bytes
    if path == paths.demo_study_dir():
        ensure_demo_study(path, progress.child(0.0, _DEMO_SHARE))
        progress = progress.child(_DEMO_SHARE, 1.0)
        study_uid = ""  # it is the demo study, though it may have been made anew
    request = OpenRequest(path, overrides or {}, cache_limit_bytes=limit_bytes, study_uid=study_uid)
    return open_as_kept(request, progress) if overrides is None else open_study(request, progress)


def _read_curve(path: Path, progress: Progress) -> InputFunction:
    progress.step(None, f"Reading {path.name}")
    return read_input_function(path)
