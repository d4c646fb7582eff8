"""Study details: patient and dose, frames, where numbers come from, files not used."""

from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from kiview.viewmodels.frame_table import FrameTableViewModel
from kiview.viewmodels.overrides import OverridesViewModel
from kiview.viewmodels.patient_form import FORM_FIELDS, PatientFormViewModel
from kiview.viewmodels.study import StudyViewModel, study_subtitle
from kiview.viewmodels.undo import UndoViewModel
from kiview.views.dialogs.facts_page import FactsPage
from kiview.views.dialogs.frames_page import FramesPage
from kiview.views.dialogs.patient_page import PatientPage
from kiview.views.dialogs.unused_page import UnusedPage
from kiview.views.parts import button, text_label

PATIENT, FRAMES, FACTS, UNUSED = range(4)
"""Pages, in order."""
PAGE_TITLES = ("Patient and dose", "Frames", "Where numbers come from", "Files not used")
_AS_FILES = "Take back every value that you entered, at once; Ctrl+Z brings them back."
_NO_STUDY = "Open a study first."


class StudyDetailsDialog(QDialog):
    """Stays open beside the window; nothing in it counts before Apply.

    Attributes:
        tabs: The pages.
    """

    def __init__(
        self,
        study: StudyViewModel,
        overrides: OverridesViewModel,
        pages: tuple[PatientFormViewModel, FrameTableViewModel],
        undo: UndoViewModel,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._study = study
        self.setObjectName("studyDetails")
        self.setWindowTitle("Study details")
        self.resize(760, 600)
        self._title = text_label("", "soft", "detailsTitle")
        self._patient, self._frames = PatientPage(pages[0]), FramesPage(pages[1])
        self.tabs = self._tabs()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self._overrides = overrides
        self._as_files = button("As in the files", "detailsAsFiles", _AS_FILES)
        self._as_files.clicked.connect(overrides.use_files)
        buttons.addButton(self._as_files, QDialogButtonBox.ButtonRole.ResetRole)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 12)
        layout.setSpacing(8)
        layout.addWidget(self._title)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(buttons)
        for made in self.findChildren(QPushButton):
            made.setAutoDefault(False)  # else Enter in an entry would close the dialog
        for keys, slot in (("Ctrl+Z", undo.undo), ("Ctrl+Y", undo.redo)):
            QShortcut(QKeySequence(keys), self).activated.connect(slot)
        overrides.changed.connect(self._refresh)
        study.opening_changed.connect(self._refresh)
        self._refresh()

    def _tabs(self) -> QTabWidget:
        tabs = QTabWidget()
        tabs.setObjectName("detailsTabs")
        tabs.setDocumentMode(True)
        tabs.tabBar().setDrawBase(False)
        tabs.tabBar().setUsesScrollButtons(False)
        pages = (self._patient, self._frames, FactsPage(self._study), UnusedPage(self._study))
        for title, page in zip(PAGE_TITLES, pages, strict=True):
            tabs.addTab(page, title)
        return tabs

    def show_page(self, page: int, field: str = "") -> None:
        """Come to the front with a page, and give the keyboard to the entry of a value."""
        self.tabs.setCurrentIndex(page)
        self.show()
        self.activateWindow()
        if page == PATIENT:
            self._patient.focus_entry(field if field in FORM_FIELDS else FORM_FIELDS[0])
        elif page == FRAMES:
            self._frames.focus_table()
        else:
            self.tabs.currentWidget().setFocus()

    def _refresh(self) -> None:
        series = self._study.series
        about = _NO_STUDY if series is None else study_subtitle(series.image)
        name = "" if series is None else series.description
        self._title.setText(f"{name} \N{EM DASH} {about}" if name else about)
        study = self._study.study
        self._as_files.setEnabled(self._overrides.can_use_files)
        count = 0 if study is None else len(study.unused_files)
        self.tabs.setTabText(UNUSED, f"{PAGE_TITLES[UNUSED]} ({count})")


def entry_of(field: str) -> tuple[int, str]:
    """Page and entry where a value is entered, by its name."""
    return (PATIENT, field) if field in FORM_FIELDS else (FRAMES, "")
