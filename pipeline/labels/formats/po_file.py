"""gettext PO files. A label's key is its msgid, after `context|` if it has a msgctxt; its text is the msgstr, or the msgid where
that is empty, as in a template. Plural entries have one label form for each category of the file's locale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.labels.formats.source import Edit, SourceText, excerpt, shown_key, unfit
from pipeline.labels.model import MAX_LABELS, Label, RejectedLabel, Texts
from pipeline.language.languages import plurals
from pipeline.model.errors import BadInputError

_KEYWORD = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr(?:\[(\d{1,2})\])?)[ \t]*(?=\")")
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*\Z', re.DOTALL)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_MAX_LINE = 200_000
_ESCAPE = re.compile(r"\\(?:([abfnrtv\"\\?])|x([0-9a-fA-F]{1,2})|([0-7]{1,3}))")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\", "?": "?"}
_LIMIT = re.compile(r"max-length:\s*(\d{1,6})")
_HEADER_LINES = {"language": "Language: {locale}\n", "plural-forms": "Plural-Forms: {rule}\n"}


@dataclass
class _Part:
    """One statement: where its strings stand and what they say."""

    start: int
    end: int
    value: str


@dataclass
class _Entry:
    start: int
    parts: dict[str, _Part] = field(default_factory=dict)
    fuzzy: bool = False
    max_length: int | None = None

    @property
    def key(self) -> str:
        context = self.parts.get("msgctxt")
        return f"{context.value}|{self.parts['msgid'].value}" if context else self.parts["msgid"].value


class PoFile:
    def __init__(self, source: SourceText, locale: str) -> None:
        self._source, self._locale = source, locale
        self._header: _Entry | None = None
        self._entries: dict[str, _Entry] = {}
        self.labels: list[Label] = []
        self.rejected: list[RejectedLabel] = []
        for entry in _entries(source):
            if entry.key == "" and self._header is None:
                self._header = entry
            else:
                self._take(entry)

    def _take(self, entry: _Entry) -> None:
        line, found = self._source.line(entry.start), self._texts(entry)
        problems = [problem for text in found.values() if (problem := unfit(entry.key, text))]
        needed = "msgstr[0]" if "msgid_plural" in entry.parts else "msgstr"
        if needed not in entry.parts:
            problems.append(f"it has no {needed}")
        elif entry.fuzzy and any(entry.parts[name].value for name in entry.parts if name.startswith("msgstr")):
            problems.append("it is marked fuzzy: somebody has to confirm its text")
        elif entry.key in self._entries:
            problems.append(f"its msgid is that of line {self._source.line(self._entries[entry.key].start)}")
        if problems:
            key, text = shown_key(entry.key), next(iter(found.values()), "")
            self.rejected.append(RejectedLabel(key, line, problems[0], excerpt(text)))
            return
        self._entries[entry.key] = entry
        self.labels += [Label(entry.key, form, text, line, entry.max_length) for form, text in found.items()]

    def _texts(self, entry: _Entry) -> dict[str | None, str]:
        single, plural = entry.parts["msgid"].value, entry.parts.get("msgid_plural")
        if plural is None:
            return {None: (entry.parts["msgstr"].value if "msgstr" in entry.parts else "") or single}
        given: dict[str | None, str] = {
            form: part.value
            for index, form in enumerate(plurals(self._locale).gettext_forms)
            if (part := entry.parts.get(f"msgstr[{index}]")) and part.value
        }
        return dict(given) if given else {"one": single, "other": plural.value}

    def render(self, texts: Texts, locale: str) -> bytes:
        edits = self._header_edits(locale) if locale != self._locale else []
        for key, entry in self._entries.items():
            if "msgid_plural" in entry.parts:
                edits += self._plural_edits(key, entry, texts, locale)
            elif (text := texts.get((key, None))) is not None:
                edits += self._edit(entry.parts["msgstr"], text, entry.parts["msgid"].value)
        return self._source.edited(edits)

    def _plural_edits(self, key: str, entry: _Entry, texts: Texts, locale: str) -> list[Edit]:
        """msgstr[0] to msgstr[n] of the target locale; those that the file lacks behind the last one."""
        forms = plurals(locale).gettext_forms
        numbered = {int(name[7:-1]): part for name, part in entry.parts.items() if name.startswith("msgstr[")}
        edits, last = [], max(numbered.values(), key=lambda part: part.end)
        for index, form in enumerate(forms):
            text = texts.get((key, form))
            if index in numbered:
                source = entry.parts["msgid" if form == "one" else "msgid_plural"].value
                edits += self._edit(numbered[index], text, source) if text is not None else []
            elif locale != self._locale or text is not None:
                written = f"{self._source.line_break}msgstr[{index}] {self._quoted(text or '')}"
                edits.append(Edit(last.end, last.end, written))
        if locale != self._locale:  # forms that the target does not have, with the line break before them
            edits += [self._without(part) for index, part in numbered.items() if index >= len(forms)]
        return edits

    def _without(self, part: _Part) -> Edit:
        start = self._source.text.rfind("\n", 0, part.start)
        if self._source.text.startswith("\r", start - 1):
            start -= 1
        return Edit(start, part.end, "")

    def _edit(self, part: _Part, text: str, source: str) -> list[Edit]:
        """Nothing where the text is what is read already: the msgstr, or the msgid that stands in for an empty one."""
        return [] if text == (part.value or source) else [Edit(part.start, part.end, self._quoted(text))]

    def _header_edits(self, locale: str) -> list[Edit]:
        if self._header is None or "msgstr" not in self._header.parts:
            return []
        part = self._header.parts["msgstr"]
        values = {"locale": locale.replace("-", "_"), "rule": plurals(locale).gettext_rule}
        lines, missing = [], dict(_HEADER_LINES)
        for line in _LINES.findall(part.value):
            name = line.partition(":")[0].strip().lower()
            lines.append(missing.pop(name).format(**values) if name in missing else line)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines += [template.format(**values) for template in missing.values()]
        return [Edit(part.start, part.end, self._quoted("".join(lines)))]

    def _quoted(self, text: str) -> str:
        lines = _LINES.findall(text) if "\n" in text.rstrip("\n") else [text]
        written = ['"' + _escaped(line) + '"' for line in lines]
        return self._source.line_break.join(['""', *written] if len(written) > 1 else written)


def _escaped(text: str) -> str:
    for character, name in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(character, name)
    return text


def _entries(source: SourceText) -> Iterator[_Entry]:
    """The entries in order, without obsolete ones (#~). Raises BadInputError with the line for what is not PO."""
    entry: _Entry | None = None
    part: _Part | None = None
    fuzzy, limit, count = False, None, 0
    for match in _LINES.finditer(source.text):
        raw, start = match[0], match.start()
        line = raw.strip()
        if len(raw) > _MAX_LINE:
            raise BadInputError(f"{source.name} has a line of {len(raw):,} characters: line {source.line(start)}")
        if not line or line.startswith("#"):
            part = None
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            found = _LIMIT.search(line)
            limit = int(found[1]) if found else limit
            continue
        start += len(raw) - len(raw.lstrip())
        keyword = _KEYWORD.match(line)
        quoted = _QUOTED.match(line, keyword.end() if keyword else 0)
        if quoted is None or (keyword is None and part is None):
            raise BadInputError(
                f"{source.name} is not a PO file in line {source.line(start)}: expected msgid, msgstr or a quoted text"
            )
        text = _ESCAPE.sub(_unescaped, quoted[1])
        if keyword is None and part is not None:
            part.value, part.end = part.value + text, start + quoted.end(1) + 1
            continue
        name = keyword[1] if keyword else ""
        if name in ("msgctxt", "msgid") and (entry is None or name in entry.parts or "msgid" in entry.parts):
            if entry is not None and "msgid" in entry.parts:
                yield entry
            count += 1
            if count > MAX_LABELS:
                raise BadInputError(f"{source.name} has more than {MAX_LABELS:,} labels: split it")
            entry, fuzzy, limit = _Entry(start, fuzzy=fuzzy, max_length=limit), False, None
        if entry is None or name in entry.parts:
            raise BadInputError(f"{source.name} is not a PO file in line {source.line(start)}: {name} is out of place")
        part = _Part(start + quoted.start(), start + quoted.end(1) + 1, text)
        entry.parts[name] = part
    if entry is not None and "msgid" in entry.parts:
        yield entry


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return _ESCAPES[match[1]]
    return chr(int(match[2], 16) if match[2] else int(match[3], 8))
