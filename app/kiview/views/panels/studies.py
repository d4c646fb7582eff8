"""List of the studies of this session and the series of the open one."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from kiview.viewmodels.study import StudyViewModel, series_text
from kiview.views.parts import section, text_label


class StudiesPanel(QWidget):
    """Studies and series."""

    def __init__(self, study: StudyViewModel) -> None:
        super().__init__()
        self._study = study
        self._studies = _list("studyList", "Studies of this session. Enter opens one.")
        self._series_title = section("Series")
        self._series = _list("seriesList", "Series of the open study. Enter shows one.")
        self._empty = text_label("Nothing is open yet.", "soft")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(section("Studies"))
        for widget in (self._empty, self._studies, self._series_title, self._series):
            layout.addWidget(widget)
        self._studies.itemClicked.connect(self._on_study_chosen)
        self._studies.itemActivated.connect(self._on_study_chosen)
        self._series.itemClicked.connect(self._on_series_chosen)
        self._series.itemActivated.connect(self._on_series_chosen)
        study.study_changed.connect(self._on_study_changed)
        study.series_changed.connect(self._on_study_changed)
        self._on_study_changed()

    def _on_study_changed(self) -> None:
        self._show_studies()
        self._show_series()

    def _show_studies(self) -> None:
        self._studies.clear()
        for known in self._study.known:
            item = QListWidgetItem(
                "\n".join(filter(None, (known.title, known.subtitle, known.times)))
            )
            item.setData(Qt.ItemDataRole.UserRole, str(known.path))
            item.setToolTip(str(known.path))
            self._studies.addItem(item)
            if known.path == self._study.path:
                self._studies.setCurrentItem(item)
        _fit(self._studies)
        self._empty.setVisible(not self._study.known)

    def _show_series(self) -> None:
        self._series.clear()
        study = self._study.study
        shown = [s for s in study.series if s.image is not None] if study is not None else []
        for series in shown:
            about = "" if series.image is None else series_text(series, series.image)
            item = QListWidgetItem(f"{series.description or series.modality}\n{about}")
            item.setData(Qt.ItemDataRole.UserRole, series.uid)
            self._series.addItem(item)
            if series is self._study.series:
                self._series.setCurrentItem(item)
        _fit(self._series)
        self._series_title.setVisible(len(shown) > 1)
        self._series.setVisible(len(shown) > 1)

    def _on_study_chosen(self, item: QListWidgetItem) -> None:
        path = item.data(Qt.ItemDataRole.UserRole)
        for known in self._study.known:
            if str(known.path) == path and known.path != self._study.path:
                self._study.open_path(known.path)
                return

    def _on_series_chosen(self, item: QListWidgetItem) -> None:
        self._study.show_series(item.data(Qt.ItemDataRole.UserRole))


def _list(name: str, tip: str) -> QListWidget:
    made = QListWidget()
    made.setObjectName(name)
    made.setAccessibleName(tip)
    made.setToolTip(tip)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    made.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
    made.setTextElideMode(Qt.TextElideMode.ElideRight)
    return made


def _fit(shown: QListWidget) -> None:
    """As high as its rows, up to four."""
    rows = shown.count()
    height = sum(shown.sizeHintForRow(i) for i in range(min(rows, 4)))
    shown.setFixedHeight(height + 4 if rows else 0)
    shown.setVisible(rows > 0)
