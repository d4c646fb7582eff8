"""The studies of the library, latest first, and the series of the open one."""

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QAction, QIcon, QImage, QPainter, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kiview.library.records import LibrarySort, Thumbnail
from kiview.viewmodels.library import LibraryViewModel, StudyEntry
from kiview.viewmodels.study import StudyViewModel, series_text
from kiview.views.binding import ChoiceBinding, TextBinding
from kiview.views.parts import button, named, row, section, text_label
from kiview.views.theme import colour

PICTURE = QSize(36, 54)
"""Room for a thumbnail."""
_MOST_ROWS = 3
_SORTS = (
    ("Recent", LibrarySort.RECENT),
    ("Name", LibrarySort.NAME),
    ("Date", LibrarySort.DATE),
    ("Tracer", LibrarySort.TRACER),
)
_NOTHING = "Studies that you open are listed here."
_NOT_FOUND = "No study fits the search."
_REMOVE = "Remove from library"
_REMOVE_TIP = (
    "Takes the study out of this list and gives back the disk space KiView used for it. Your files"
    " and regions stay; opening the study lists it again."
)


class StudiesPanel(QWidget):
    """Studies and series."""

    def __init__(self, study: StudyViewModel, library: LibraryViewModel) -> None:
        super().__init__()
        self._study, self._library = study, library
        self._shown: tuple[StudyEntry, ...] = ()
        self._sort, self._search = _sort_box(), _search_field()
        self._studies = _list("studyList", "Studies opened before. A click or Enter opens one.")
        self._studies.setIconSize(PICTURE)
        self._studies.setUniformItemSizes(True)  # the picture is higher than the text
        self._remove = button(_REMOVE, "removeStudy", _REMOVE_TIP, "link")
        self._series_title = section("Series")
        self._series = _list("seriesList", "Series of the open study. Enter shows one.")
        self._empty = text_label("", "soft", "studiesEmpty")
        self._more = text_label("", "soft", "studiesMore")
        self._problem = text_label("", "warning", "libraryProblem")
        self._build()
        self._connect()
        self._on_study_changed()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(section("Studies"), None, self._sort))
        for widget in (self._search, self._problem, self._empty, self._studies, self._more):
            layout.addWidget(widget)
        layout.addLayout(row(self._remove, None))
        layout.addWidget(self._series_title)
        layout.addWidget(self._series)
        self._studies.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._remove_action = QAction(_REMOVE, self._studies)
        self._remove_action.setObjectName("removeStudyAction")
        self._remove_action.setToolTip(_REMOVE_TIP)
        self._remove_action.setShortcut(Qt.Key.Key_Delete)
        self._remove_action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self._studies.addAction(self._remove_action)

    def _connect(self) -> None:
        study, library = self._study, self._library
        items = [(text, str(sort)) for text, sort in _SORTS]
        ChoiceBinding(
            self._sort, items.copy, lambda: str(library.sort), library.sort_by, library.changed
        )
        TextBinding(self._problem, lambda: library.problem, library.changed)
        TextBinding(self._empty, self._empty_text, library.changed)
        TextBinding(self._more, self._more_text, library.changed)
        self._search.textChanged.connect(library.search)
        self._remove.clicked.connect(self._on_remove)
        self._remove_action.triggered.connect(self._on_remove)
        self._studies.itemClicked.connect(self._on_study_chosen)
        self._studies.itemActivated.connect(self._on_study_chosen)
        self._studies.currentRowChanged.connect(self._on_current_changed)
        self._series.itemClicked.connect(self._on_series_chosen)
        self._series.itemActivated.connect(self._on_series_chosen)
        library.changed.connect(self._show_studies)
        study.study_changed.connect(self._on_study_changed)
        study.series_changed.connect(self._on_study_changed)

    def _on_study_changed(self) -> None:
        self._show_studies()
        self._show_series()

    def _empty_text(self) -> str:
        if self._library.entries:
            return ""
        return _NOT_FOUND if self._library.text else _NOTHING

    def _more_text(self) -> str:
        count = self._library.more_count
        return f"{count} more; a search finds them." if count else ""

    def _show_studies(self) -> None:
        entries = self._library.entries
        if entries != self._shown:
            self._shown = entries
            self._studies.clear()
            for entry in entries:
                self._studies.addItem(_item(entry))
            _fit(self._studies, _MOST_ROWS)
        open_rows = [i for i, entry in enumerate(entries) if self._library.is_open(entry)]
        self._studies.setCurrentRow(open_rows[0] if open_rows else -1)
        for widget in (self._sort, self._search):
            widget.setVisible(self._library.is_searchable)
        self._on_current_changed(self._studies.currentRow())

    def _on_current_changed(self, index: int) -> None:
        self._remove.setVisible(bool(self._shown))
        for thing in (self._remove, self._remove_action):
            thing.setEnabled(0 <= index < len(self._shown))

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
        _fit(self._series, _MOST_ROWS + 1)
        self._series_title.setVisible(len(shown) > 1)
        self._series.setVisible(len(shown) > 1)

    def _on_study_chosen(self, item: QListWidgetItem) -> None:
        self._library.open(self._shown[self._studies.row(item)])

    def _on_remove(self) -> None:
        index = self._studies.currentRow()
        if 0 <= index < len(self._shown):
            self._library.remove(self._shown[index])

    def _on_series_chosen(self, item: QListWidgetItem) -> None:
        self._study.show_series(item.data(Qt.ItemDataRole.UserRole))


def _item(entry: StudyEntry) -> QListWidgetItem:
    lines = (entry.title, entry.detail, entry.times)
    item = QListWidgetItem("\n".join(filter(None, lines)))
    picture, icon = _picture(entry.thumbnail), QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(picture, mode)  # else Qt tints the chosen one
    item.setIcon(icon)
    item.setToolTip(entry.about)
    return item


def _picture(thumbnail: Thumbnail | None) -> QPixmap:
    """A thumbnail in the middle of its room, so that all texts begin at the same place."""
    drawn = QPixmap(PICTURE)
    drawn.fill(colour("raised"))
    if thumbnail is None:
        return drawn
    grey = QImage.Format.Format_Grayscale8
    image = QImage(thumbnail.grey, thumbnail.width, thumbnail.height, thumbnail.width, grey)
    small = image.scaled(
        PICTURE, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    painter = QPainter(drawn)
    room = PICTURE - small.size()
    painter.drawImage(QPoint(room.width() // 2, room.height() // 2), small)
    painter.end()
    return drawn


def _sort_box() -> QComboBox:
    box = QComboBox()
    named(box, "studySort", "Order of the studies.")
    return box


def _search_field() -> QLineEdit:
    field = QLineEdit()
    named(field, "studySearch", "Words that a name, id, date, tracer or folder must contain.")
    field.setPlaceholderText("Search")
    field.setClearButtonEnabled(True)
    return field


def _list(name: str, tip: str) -> QListWidget:
    made = QListWidget()
    made.setObjectName(name)
    made.setAccessibleName(tip)
    made.setToolTip(tip)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    made.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
    made.setTextElideMode(Qt.TextElideMode.ElideRight)
    return made


def _fit(shown: QListWidget, most_rows: int) -> None:
    """As high as its rows, up to some."""
    rows = shown.count()
    height = sum(shown.sizeHintForRow(i) for i in range(min(rows, most_rows)))
    shown.setFixedHeight(height + 4 if rows else 0)
    shown.setVisible(rows > 0)
