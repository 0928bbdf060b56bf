"""Labels as things to translate: the plural forms of a label together, ICU messages as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.language.languages import CATEGORIES
from pipeline.language.translation import icu
from pipeline.language.translation.masks import has_letters, spans
from pipeline.language.translation.segments import TEXT, Result, Segment


@dataclass(frozen=True)
class LabelGroup:
    """A label with all its forms (None for the only one). `problem`: why it cannot be translated by anybody but a person."""

    resource: str
    key: str
    source_locale: str
    texts: Mapping[str | None, str]
    digests: Mapping[str | None, str]
    segment: Segment
    message: icu.Message | None = None
    problem: str | None = None

    def written(self, result: Result) -> dict[str | None, str]:
        """The texts of a result as a file has them: an ICU message whole, and the source's own forms even where the target
        language does not have them, since the key is there to be read."""
        if not result.forms:
            return {}
        if self.message is not None:
            return {None: self.message.rebuild(result.forms)}
        if not self.segment.plural:
            return {None: result.forms[TEXT]}
        general = result.forms["other"]
        forms = [form for form in CATEGORIES if form in result.forms or form in self.texts]
        return {form: result.forms.get(form, general) for form in forms}

    def reference(self, form: str | None) -> str | None:
        """The form of the source that a form of the target belongs to."""
        return form if form in self.texts else ("other" if "other" in self.texts else next(reversed(list(self.texts))))


def make_group(
    resource: str,
    key: str,
    source_locale: str,
    texts: Mapping[str | None, str],
    digests: Mapping[str | None, str],
    max_length: int | None = None,
) -> LabelGroup:
    """A group of one label's texts."""
    html, context = any(is_html(key, text) for text in texts.values()), f"{resource}:{key}"
    origin = f"{resource}:"
    only = texts.get(None)
    if only is not None and icu.is_message(only):
        try:
            message = icu.parse(only)
        except ValueError as error:
            segment = Segment({TEXT: only}, html=html, context=context, origin=origin)
            return LabelGroup(resource, key, source_locale, texts, digests, segment, problem=f"its ICU message: {error}")
        segment = Segment(message.forms, message.type == "plural", html, None, context, origin=origin)
        return LabelGroup(resource, key, source_locale, texts, digests, segment, message)
    forms = {form or TEXT: text for form, text in texts.items()}
    segment = Segment(forms, only is None, html, max_length, context, origin=origin)
    return LabelGroup(resource, key, source_locale, texts, digests, segment)


def groups_of(labels: Iterable[Mapping[str, Any]]) -> list[LabelGroup]:
    """The groups of the rows of `ui_labels`, in their order."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in labels:
        found.setdefault((row["resource"], row["key"]), []).append(row)
    return [
        make_group(
            resource,
            key,
            rows[0]["source_locale"],
            {row["form"]: row["text"] for row in rows},
            {row["form"]: row["digest"] for row in rows},
            rows[0]["max_length"],
        )
        for (resource, key), rows in found.items()
    ]


def is_html(key: str, text: str) -> bool:
    """Shopify escapes all texts but those of keys that end so; elsewhere a tag says it."""
    return key.endswith("_html") or any(span.kind == "tag" for span in spans(text))


def kind_of(key: str, text: str) -> str:
    """text | html | icu | none."""
    if icu.is_message(text):
        return "icu"
    if not has_letters(text):
        return "none"
    return "html" if is_html(key, text) else "text"


def label_forms(labels: Iterable[tuple[str, str | None, str]]) -> dict[str, dict[str | None, str]]:
    """key -> form -> text."""
    found: dict[str, dict[str | None, str]] = {}
    for key, form, text in labels:
        found.setdefault(key, {})[form] = text
    return found
