"""CSV label files: a key and a text a row, with a header or without one, in any of the delimiters that spreadsheets write.

Columns by header: `key` (or id, name, identifier); the text in a column named like the locale, or `value`, `text`, `translation`,
`source`, `string`, `label`; optionally `max_length`. Without a known header the first column is the key and the second the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.labels.formats.plurals import plural_groups
from pipeline.labels.formats.source import Edit, SourceText, excerpt, shown_key, unfit
from pipeline.labels.model import MAX_LABELS, Label, RejectedLabel, Texts
from pipeline.language.languages import CATEGORIES
from pipeline.model.errors import BadInputError

_KEYS = ("key", "id", "identifier", "name")
_TEXTS = ("value", "text", "translation", "source", "string", "label")
_MAX_LENGTH = ("max_length", "maxlength", "max length")
_DELIMITERS = ",;\t|"
_ENDS = {delimiter: re.compile(f"[{re.escape(delimiter)}\r\n]") for delimiter in _DELIMITERS}


@dataclass(frozen=True)
class _Field:
    start: int
    end: int
    value: str
    sound: bool = True  # False: its quotes do not add up


@dataclass(frozen=True)
class _Columns:
    key: int
    text: int
    max_length: int | None
    header: bool
    width: int


class CsvFile:
    def __init__(self, source: SourceText, locale: str) -> None:
        self._source, self._locale = source, locale
        self._delimiter = _delimiter(source.text)
        records = _records(source, self._delimiter)
        self._header = records[0] if records else []
        self._columns = _columns(self._header, locale, source.name)
        self.rejected: list[RejectedLabel] = []
        self._rows: dict[str, list[_Field]] = {}
        for record in records[1 if self._columns.header else 0 :]:
            self._take(record)
        self._groups = plural_groups(list(self._rows))
        self.labels = [self._label(key, record) for key, record in self._rows.items()]

    def _take(self, record: list[_Field]) -> None:
        line = self._source.line(record[0].start)
        columns, values = self._columns, [field.value for field in record]
        key = values[columns.key] if columns.key < len(values) else ""
        text = values[columns.text] if columns.text < len(values) else ""
        problem = unfit(key, text)
        if not all(field.sound for field in record):
            problem = "its quotes do not add up"
        elif len(record) != columns.width:
            problem = f"it has {len(record)} fields, the first row has {columns.width}"
        elif key in self._rows:
            problem = f"its key is that of line {self._source.line(self._rows[key][0].start)}"
        if problem:
            self.rejected.append(RejectedLabel(shown_key(key), line, problem, excerpt(text)))
        else:
            self._rows[key] = record

    def _label(self, key: str, record: list[_Field]) -> Label:
        group, columns = self._groups.get(key), self._columns
        limit = record[columns.max_length].value.strip() if columns.max_length is not None else ""
        return Label(
            group.key if group else key,
            group.form_of(key) if group else None,
            record[columns.text].value,
            self._source.line(record[0].start),
            int(limit) if limit.isdecimal() and len(limit) < 7 else None,
        )

    def render(self, texts: Texts, locale: str) -> bytes:
        column, edits = self._text_column(locale)
        for label, (key, record) in zip(self.labels, self._rows.items(), strict=True):
            text = texts.get((label.key, label.form))
            if text is not None and text != record[column].value:
                edits.append(self._replaced(record[column], text))
            group = self._groups.get(key)
            if group and key == group.last:
                for form in CATEGORIES:
                    if form not in group.members and (text := texts.get((group.key, form))) is not None:
                        name = key[: len(group.key) + len(group.separator)] + form
                        edits.append(self._copied(record, {self._columns.key: name, column: text}))
        return self._source.edited(edits)

    def _text_column(self, locale: str) -> tuple[int, list[Edit]]:
        """Where texts of this locale are written, and the change of the header if the column is named like the file's locale."""
        if not self._columns.header:
            return self._columns.text, []
        names = [field.value.strip().lower() for field in self._header]
        if locale.lower() in names:
            return names.index(locale.lower()), []
        mine = self._header[self._columns.text]
        named = names[self._columns.text] == self._locale.lower()
        return self._columns.text, [self._replaced(mine, locale)] if named and locale != self._locale else []

    def _replaced(self, field: _Field, value: str) -> Edit:
        return Edit(field.start, field.end, self._written(field, value))

    def _copied(self, record: list[_Field], values: dict[int, str]) -> Edit:
        """The row once more, below itself, with other values in some columns."""
        text, end = self._source.text, record[-1].end
        fields = [
            self._written(field, values[index]) if index in values else text[field.start : field.end]
            for index, field in enumerate(record)
        ]
        return Edit(end, end, self._source.line_break + self._delimiter.join(fields))

    def _written(self, field: _Field, value: str) -> str:
        quoted = self._source.text.startswith('"', field.start)
        if quoted or value != value.strip() or any(mark in value for mark in (self._delimiter, '"', "\n", "\r")):
            return '"' + value.replace('"', '""') + '"'
        return value


def _delimiter(text: str) -> str:
    first = text[: text.find("\n") if "\n" in text else len(text)]
    return max(_DELIMITERS, key=lambda delimiter: first.count(delimiter))


def _columns(header: list[_Field], locale: str, name: str) -> _Columns:
    names = [field.value.strip().lower() for field in header]
    key = next((names.index(known) for known in _KEYS if known in names), None)
    text = next((names.index(known) for known in (locale.lower(), *_TEXTS) if known in names), None)
    if key is not None and text is not None and key != text:
        limit = next((names.index(known) for known in _MAX_LENGTH if known in names), None)
        return _Columns(key, text, limit, True, len(header))
    if len(header) == 2:
        return _Columns(0, 1, None, False, 2)
    raise BadInputError(f"{name} has no known columns: name them key and {locale} (or value), or give two columns, key and text")


def _records(source: SourceText, delimiter: str) -> list[list[_Field]]:
    """All rows that are not blank. A field whose closing quote is missing ends with its line."""
    text, at, found = source.text, 0, []
    record: list[_Field] = []
    while at < len(text) or record:
        field = _field(text, at, delimiter)
        record.append(field)
        at = field.end
        if text.startswith(delimiter, at):
            at += 1
            continue
        at += 2 if text.startswith("\r\n", at) else 1
        if len(record) > 1 or record[0].value.strip():
            found.append(record)
        if len(found) > MAX_LABELS + 1:
            raise BadInputError(f"{source.name} has more than {MAX_LABELS:,} rows: split it")
        record = []
    return found


def _field(text: str, start: int, delimiter: str) -> _Field:
    if text.startswith('"', start):
        at = start + 1
        while (end := text.find('"', at)) >= 0:
            if not text.startswith('""', end):
                after = text[end + 1 : end + 2]
                if after in ("", delimiter, "\n", "\r"):
                    return _Field(start, end + 1, text[start + 1 : end].replace('""', '"'))
                break
            at = end + 2
    found = _ENDS[delimiter].search(text, start)  # one pass: `find` of a mark that the file does not have reads it to its end
    end = found.start() if found else len(text)
    return _Field(start, end, text[start:end], sound=not text.startswith('"', start))
