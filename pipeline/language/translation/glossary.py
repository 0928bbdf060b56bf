"""Terms of a store: what is never translated, and how some words must be. Rows of the table `glossary`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from pipeline.language.languages import base, normalize_tag
from pipeline.model.errors import UsageError
from pipeline.stores.text import plain_text, shown

MAX_TERMS = 5_000


@dataclass(frozen=True)
class Term:
    """`translation` None: the term stays as it is. `target_locale` empty: in every language."""

    term: str
    target_locale: str
    translation: str | None


@dataclass(frozen=True)
class Glossary:
    """The terms of one store."""

    terms: Sequence[Term] = ()

    def kept(self, locale: str, own: Sequence[str] = ()) -> list[str]:
        """Terms that are not translated into this language, as they are written. `own` are further ones of a text."""
        translated = set(self.preferred(locale))
        kept = [t.term for t in self.terms if t.translation is None and t.term not in translated and _counts(t, locale)]
        return [*kept, *(term for term in own if term not in translated)]

    def preferred(self, locale: str) -> dict[str, str]:
        """Term -> its translation into this language; `pt-BR` goes before `pt`."""
        found = [t for t in self.terms if t.translation is not None and _counts(t, locale)]
        return {t.term: t.translation or "" for t in sorted(found, key=lambda t: len(t.target_locale))}

    def occurring(self, text: str, locale: str) -> dict[str, str]:
        """The preferred terms that are in a text: what a model is told, and what its answer depends on."""
        from pipeline.language.translation.masks import find_terms

        wanted = self.preferred(locale)
        written = {found.casefold() for found in find_terms(text, list(wanted))}
        return {term: translation for term, translation in wanted.items() if term.casefold() in written}


def read_glossary(connection: psycopg.Connection[Any], store_id: UUID) -> Glossary:
    rows = connection.execute(
        "SELECT term, target_locale, translation FROM glossary WHERE store_id = %s ORDER BY term, target_locale", (store_id,)
    ).fetchall()
    return Glossary(tuple(Term(*row) for row in rows))


def set_term(
    connection: psycopg.Connection[Any], store_id: UUID, term: str, *, locale: str | None = None, translation: str | None = None
) -> Term:
    """Add or change a term; without a translation it is kept as it is. Raises UsageError for what cannot be a term."""
    if translation is not None and locale is None:
        raise UsageError(f"the translation of {shown(term)!r} needs a language: --locale de")
    found = Term(
        plain_text(term, "the term", 100),
        normalize_tag(locale) if locale else "",
        None if translation is None else plain_text(translation, "the translation", 200),
    )
    row = connection.execute("SELECT count(*) FROM glossary WHERE store_id = %s", (store_id,)).fetchone()
    if row and row[0] >= MAX_TERMS:
        raise UsageError(f"a glossary has at most {MAX_TERMS:,} terms; remove some first")
    connection.execute(
        "INSERT INTO glossary (store_id, term, target_locale, translation) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (store_id, term, target_locale) DO UPDATE SET translation = excluded.translation, updated_at = now()",
        (store_id, found.term, found.target_locale, found.translation),
    )
    return found


def remove_term(connection: psycopg.Connection[Any], store_id: UUID, term: str, locale: str | None = None) -> int:
    """Remove a term, of one language if given. Raises UsageError when there is none."""
    gone = connection.execute(
        "DELETE FROM glossary WHERE store_id = %s AND term = %s AND (%s::text IS NULL OR target_locale = %s)",
        (store_id, term, locale, locale),
    ).rowcount
    if not gone:
        raise UsageError(f"there is no term {shown(term)!r} in the glossary of this store")
    return gone


def whole(texts: Mapping[str, str], glossary: Glossary, locale: str) -> str | None:
    """The glossary's translation of a text that is a term from end to end; None otherwise."""
    text = next(iter(texts.values())) if len(texts) == 1 else ""
    core = text.strip()
    if core in glossary.kept(locale):
        return core
    return next((t for term, t in glossary.preferred(locale).items() if term.casefold() == core.casefold()), None)


def _counts(term: Term, locale: str) -> bool:
    return term.target_locale in ("", locale, base(locale))
