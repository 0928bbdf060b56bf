"""JSON label files: nested i18n objects, Shopify's theme locales, flat keys, and Rails' way of a root key that is the locale."""

from __future__ import annotations

import json

from pipeline.labels.formats.json_scan import Scan, Value, scan
from pipeline.labels.formats.plurals import Group, plural_groups
from pipeline.labels.formats.source import Edit, SourceText, excerpt, shown_key, unfit
from pipeline.labels.model import Label, RejectedLabel, Texts
from pipeline.language.languages import CATEGORIES


class JsonFile:
    """Keys are joined by dots; a dot that is part of a key is written `\\.` unless the file is flat."""

    def __init__(self, source: SourceText, locale: str) -> None:
        self._source, self._locale = source, locale
        found = scan(source)
        self._escapes = source.text.isascii() and "\\u" in source.text
        self._slashes = "\\/" in source.text
        self._root = _is_locale_root(found, locale)
        self._root_key = found.root_keys[0] if self._root else (0, 0)
        flat = all(len(value.path) - self._root == 1 for value in found.values)
        self._values: dict[str, Value] = {}
        self.rejected: list[RejectedLabel] = []
        for value in found.values:
            key = _joined(value.path[self._root :], flat)
            problem = value.problem or unfit(key, value.text or "")
            if problem:
                self.rejected.append(RejectedLabel(shown_key(key), source.line(value.start), problem, excerpt(value.text or "")))
            else:
                self._values[key] = value
        self._groups = plural_groups(list(self._values))
        self.labels = [self._label(key, value) for key, value in self._values.items()]

    def _label(self, key: str, value: Value) -> Label:
        group = self._groups.get(key)
        line = self._source.line(value.start)
        return Label(group.key if group else key, group.form_of(key) if group else None, value.text or "", line)

    def render(self, texts: Texts, locale: str) -> bytes:
        edits = []
        if self._root and locale != self._locale:
            edits.append(Edit(*self._root_key, self._string(locale)))
        for label, (key, value) in zip(self.labels, self._values.items(), strict=True):
            text = texts.get((label.key, label.form))
            if text is not None and text != value.text:
                edits.append(Edit(value.start, value.end, self._string(text)))
            group = self._groups.get(key)
            if group and key == group.last:
                edits += self._added(group, value, texts)
        return self._source.edited(edits)

    def _added(self, group: Group, last: Value, texts: Texts) -> list[Edit]:
        """The forms that the group lacks, behind its last member and laid out like it."""
        written, name, form = self._source.text, last.path[-1], group.form_of(group.last)
        before = written[: last.key_start]
        blank = before[len(before.rstrip(" \t\r\n")) :]
        colon = written[last.key_end : last.start]
        return [
            Edit(last.end, last.end, f",{blank}{self._string(name[: -len(form)] + more)}{colon}{self._string(text)}")
            for more in CATEGORIES
            if more not in group.members and (text := texts.get((group.key, more))) is not None
        ]

    def _string(self, text: str) -> str:
        """In the file's own way: escapes for what is not ASCII, and for slashes, only where the file has them."""
        found = json.dumps(text, ensure_ascii=self._escapes)
        return found.replace("/", "\\/") if self._slashes else found


def _joined(path: tuple[str, ...], flat: bool) -> str:
    return path[0] if flat else ".".join(part.replace("\\", "\\\\").replace(".", "\\.") for part in path)


def _is_locale_root(found: Scan, locale: str) -> bool:
    """Whether the only root key is the locale, so that the labels are one level below."""
    if len(found.root_keys) != 1 or not found.values or any(len(value.path) < 2 for value in found.values):
        return False
    return found.values[0].path[0].replace("_", "-").lower() == locale.lower()
