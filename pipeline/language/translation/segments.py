"""What is translated: a text, or the plural or select forms of one text, and what became of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.language.languages import CATEGORIES, plurals

TEXT = ""  # the form of a text that has only one


@dataclass(frozen=True)
class Segment:
    """`forms`: form -> source text. `context` names the place, for translations that people made for it alone. `origin` is how
    all contexts of its file begin: only texts of the same one share a request. `kept`: what stays as it is here, besides the
    glossary's terms, such as the product's own numbers. `product`: whose text it is, if any's. `remark`: it may speak to whoever
    translates, so it is judged more strictly."""

    forms: Mapping[str, str]
    plural: bool = False
    html: bool = False
    max_length: int | None = None
    context: str = ""
    kept: tuple[str, ...] = ()
    product: str = ""
    origin: str = ""
    remark: bool = False

    @property
    def alone(self) -> bool:
        """Whether it has a request of its own: what a product's text says to a model must not reach another one."""
        return bool(self.product)

    def wanted(self, locale: str) -> tuple[str, ...]:
        """The forms that a translation has: the target language's categories in place of the source's; the rest as they are."""
        if not self.plural:
            return tuple(self.forms)
        exact = [form for form in self.forms if form not in CATEGORIES]  # ICU: =0
        return (*exact, *(form for form in CATEGORIES if form in plurals(locale).categories))

    def references(self, form: str, locale: str) -> list[str]:
        """Source texts that a target form may be a translation of, the likeliest first.

        "One item" can be the source of a form for 1 alone; the Russian form for 1, 21, 31 needs the number, so "{n} items" is.
        """
        general = self.forms.get("other", list(self.forms.values())[-1])
        if form not in self.forms:
            return [general]
        if self.plural and form in CATEGORIES and form not in plurals(locale).single:
            return [general]
        return list(dict.fromkeys([self.forms[form], general]))


@dataclass(frozen=True)
class Result:
    """`state`: translated | copied (nothing to translate) | untranslated, and then `problems` say why, `forms` is empty and
    `unused` has the answer of a model, if there is one: people may mend it, or take it over.

    `engine`: human | glossary | copy | model:<name> | rules (a model may not see it) | none.
    """

    state: str
    engine: str
    forms: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)


def loosely(text: str) -> str:
    """The same for texts that differ in white space alone, which programs for tables and translators change."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def tidy(source: str, target: str) -> str:
    """The target in composed form with the source's outer spaces; what models and people add or lose there means nothing."""
    core = unicodedata.normalize("NFC", target.strip())
    if not source.strip():
        return source
    before = source[: len(source) - len(source.lstrip())]
    after = source[len(source.rstrip()) :]
    return f"{before}{core}{after}"
