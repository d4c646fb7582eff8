"""The main window: menus, columns, views, plots and the bottom line."""

from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QLayout,
    QMainWindow,
    QMessageBox,
    QScrollArea,
    QSplitter,
    QStyle,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from kiview.viewmodels.window import WindowModels
from kiview.views.central_area import CentralArea
from kiview.views.dialogs.about import TextDialog, about_text
from kiview.views.dialogs.merge_dialog import MergeDialog
from kiview.views.dialogs.study_details import StudyDetailsDialog
from kiview.views.menus import Menus
from kiview.views.panels.checks import ChecksPanel
from kiview.views.panels.export_panel import ExportPanel
from kiview.views.panels.input_panel import InputPanel
from kiview.views.panels.layers import LayersPanel
from kiview.views.panels.maps_panel import MapsPanel
from kiview.views.panels.network_panel import NetworkPanel
from kiview.views.panels.regions_panel import RegionsPanel
from kiview.views.panels.studies import StudiesPanel
from kiview.views.parts import help_text
from kiview.views.status_line import StatusLine

COMFORTABLE_SIZE = QSize(1440, 900)
LEFT_WIDTH = 218
RIGHT_WIDTH = 360
CENTRE_WIDTH = COMFORTABLE_SIZE.width() - LEFT_WIDTH - RIGHT_WIDTH
STUDY_FILES = (
    "PET studies (*.dcm *.ima DICOMDIR dicomdir *.zip *.nii *.nii.gz *.v *.v.gz *.hdr *.img);;"
    "All files (*)"
)
"""What the dialog for files offers."""


class MainWindow(QMainWindow):
    """The window.

    Attributes:
        canvas: The linked views.
        tabs: Panels at the right.

    Signals:
        demo_asked: The demo study shall be opened.
    """

    demo_asked = Signal()

    def __init__(self, models: WindowModels) -> None:
        super().__init__()
        self._models = models
        self._closing = False
        self._details: StudyDetailsDialog | None = None
        self.setObjectName("mainWindow")
        self.setAcceptDrops(True)
        self.setMinimumSize(1024, 640)
        self._fix_constraint()
        self.resize(self._size_that_fits())
        self.centre = CentralArea(models)
        self.canvas = self.centre.canvas
        self.tabs = self._tabs()
        self._menus = Menus(self, models)
        self._build()
        self._connect()
        self._on_study_changed()

    def _size_that_fits(self) -> QSize:
        """A comfortable size, less on a screen that has no room for it and the title bar."""
        room = self.screen().availableSize()
        title_bar = self.style().pixelMetric(QStyle.PixelMetric.PM_TitleBarHeight)
        return COMFORTABLE_SIZE.boundedTo(room - QSize(0, title_bar))

    def _fix_constraint(self) -> None:
        """Keep the minimum size as it is whatever the panels show."""
        layout = self.layout()
        if layout is not None:
            layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)

    # Building

    def _build(self) -> None:
        self.setMenuBar(self._menus.bar)
        self.setStatusBar(StatusLine(self._models.views, self._models.tasks, self._models.machine))
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setObjectName("columns")
        splitter.setHandleWidth(3)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._left())
        splitter.addWidget(self.centre)
        splitter.addWidget(self.tabs)
        splitter.setStretchFactor(1, 5)
        splitter.setStretchFactor(2, 1)  # tables show whole names where there is room
        splitter.setSizes([LEFT_WIDTH, CENTRE_WIDTH, RIGHT_WIDTH])
        self.setCentralWidget(splitter)

    def _left(self) -> QWidget:
        models = self._models
        inner = QWidget()
        inner.setObjectName("leftColumn")
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(12, 8, 10, 8)
        layout.setSpacing(10)
        layout.addWidget(StudiesPanel(models.study, models.library))
        checks = ChecksPanel(models.study)
        checks.details_asked.connect(self.show_details)
        layout.addWidget(checks)
        layout.addWidget(LayersPanel(models.views))
        layout.addStretch(1)
        return _scrolling(inner, LEFT_WIDTH)

    def _tabs(self) -> QTabWidget:
        models = self._models
        tabs = QTabWidget()
        tabs.setObjectName("panels")
        tabs.setDocumentMode(True)
        tabs.tabBar().setExpanding(True)
        tabs.tabBar().setDrawBase(False)
        tabs.tabBar().setUsesScrollButtons(False)
        pages = (
            ("Input", InputPanel(models.input_function, models.curves)),
            ("Maps", MapsPanel(models.maps, models.columns, models.messages)),
            ("Network", NetworkPanel(models)),
            ("Regions", RegionsPanel(models)),
            ("Export", ExportPanel(models.export, models.results)),
        )
        for title, panel in pages:
            tabs.addTab(_scrolling(panel, RIGHT_WIDTH), title)
        tabs.setMinimumWidth(RIGHT_WIDTH)
        return tabs

    def _connect(self) -> None:
        models = self._models
        models.study.study_changed.connect(self._on_study_changed)
        models.study.series_changed.connect(self._on_study_changed)
        models.study.arriving_changed.connect(self._on_study_changed)
        models.export.overwrite_asked.connect(self._on_overwrite_asked)
        self.canvas.frame_bar.merge_asked.connect(self.show_merge)
        self.centre.empty.demo_asked.connect(self.demo_asked)
        self.centre.empty.folder_asked.connect(self.ask_for_folder)
        self.centre.empty.file_asked.connect(self.ask_for_file)

    # What the menus and others ask for

    def show_panel(self, title: str) -> None:
        """Bring a panel to the front and give it the keyboard."""
        for index in range(self.tabs.count()):
            if self.tabs.tabText(index) == title:
                self.tabs.setCurrentIndex(index)
                self.tabs.currentWidget().setFocus()

    def ask_for_folder(self) -> None:
        """Ask for a study folder and open it."""
        name = QFileDialog.getExistingDirectory(self, "Open a study folder")
        if name:
            self._models.study.open_path(Path(name))

    def ask_for_file(self) -> None:
        """Ask for a file and open it."""
        title = "Open a DICOM, NIfTI, ECAT or Analyze file, a DICOMDIR or a zip archive"
        name, _ = QFileDialog.getOpenFileName(self, title, "", STUDY_FILES)
        if name:
            self._models.study.open_path(Path(name))

    def show_details(self, page: int, field: str = "") -> None:
        """Show a page of the study details, and the entry of a value on it."""
        models = self._models
        if self._details is None:
            pages = models.patient_form, models.frame_table
            self._details = StudyDetailsDialog(
                models.study, models.overrides, pages, models.undo, self
            )
        self._details.show_page(page, field)

    def show_merge(self) -> None:
        """Offer to merge frames, or to have them as acquired again."""
        dialog = MergeDialog(self._models.merge, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def show_about(self) -> None:
        """Show purpose, patents and versions."""
        TextDialog("aboutDialog", "About KiView", about_text(), self).open()

    def show_help(self) -> None:
        """Show the first steps."""
        TextDialog("helpDialog", "KiView, first steps", help_text("first_steps"), self).open()

    # Reactions

    def _on_study_changed(self) -> None:
        study = self._models.study
        is_empty = study.series is None and study.arriving is None
        self.centre.show_study(not is_empty)
        name = f"{study.known[0].title} \N{EM DASH} " if study.study and study.known else ""
        self.setWindowTitle(f"{name}KiView [Research use only]")

    def _on_overwrite_asked(self, names: tuple[str, ...]) -> None:
        shown = "\n".join(names[:8]) + ("\n..." if len(names) > 8 else "")
        box = QMessageBox(self)
        box.setObjectName("overwriteDialog")
        box.setWindowTitle("Replace files?")
        box.setText(f"The folder already holds:\n\n{shown}\n\nReplace what has the same name?")
        replace = box.addButton("Replace", QMessageBox.ButtonRole.AcceptRole)
        replace.setObjectName("overwriteReplace")
        box.addButton(QMessageBox.StandardButton.Cancel)
        replace.clicked.connect(self._on_replace)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def _on_replace(self) -> None:
        self._models.export.export(overwrite=True)

    # Qt

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the first file or folder that was dropped."""
        for url in event.mimeData().urls():
            if url.isLocalFile():
                event.acceptProposedAction()
                self._models.study.open_path(Path(url.toLocalFile()))
                return

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs, wait for it, save, then close."""
        runner = self._models.runner
        if not self._closing:
            self._closing = True
            self._models.session.save()
            runner.close()
            self._models.views.frames.stop()
        if runner.tasks:
            event.ignore()
            runner.idle.connect(self.close, Qt.ConnectionType.SingleShotConnection)
            self.setEnabled(False)
            return
        event.accept()


def _scrolling(widget: QWidget, width: int) -> QScrollArea:
    area = QScrollArea()
    area.setWidget(widget)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setMinimumWidth(width)
    return area
