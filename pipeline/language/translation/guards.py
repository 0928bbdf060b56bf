"""Whether a text may stand for another: the same placeholders, tags, codes, numbers, terms and listed facts, within its limits,
all of it, nothing turned into its opposite, and nothing that advertises. Code decides.

The same function judges people's translations, remembered ones and a model's. Of the meaning it knows what lists of words know.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from html import unescape

from pipeline.language.languages import base, density, lengths, scripts
from pipeline.language.reading import (
    abbreviations,
    appeals,
    coverage,
    dimensions,
    enumerations,
    makers,
    numbers,
    opposites,
    polarity,
    restated,
    substances,
    tongues,
    units,
)
from pipeline.language.translation import apart, structure
from pipeline.language.translation.glossary import Glossary
from pipeline.language.translation.masks import VOID, bare, even, find_terms, nested, spans
from pipeline.language.translation.segments import Segment

#: Part of the key of every recorded answer: raise it when the rules change so that rejected texts deserve another try.
VERSION = 6
_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)")
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);")
_DOUBLE_ENTITY = re.compile(r"&amp;(?:#\d+|#x[0-9a-f]+|\w+);", re.IGNORECASE)
#: Nobody writes these as entities but to hide a word.
_PLAIN = frozenset(string.ascii_letters + string.digits + "./:@-")
_UNNUMBERED = re.compile(r"%(?!\d+\$)[^%(].*", re.DOTALL)
#: Zero-width, direction, control and tag characters; joiners and marks are ordinary letters of some scripts.
_INVISIBLE = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_JOINERS = {
    "ARABIC": "\u200c\u200d\u200e\u200f",
    "HEBREW": "\u200e\u200f",
    "DEVANAGARI": "\u200c\u200d",
    "BENGALI": "\u200c\u200d",
}
_QUOTES = ('""', "''", "“”", "„“", "«»", "‘’", "``")


def check(
    segment: Segment,
    target: Mapping[str, str],
    source_locale: str,
    target_locale: str,
    glossary: Glossary,
    *,
    meaning: bool = True,
) -> list[str]:
    """Problems of a translation in sentences; empty if it may be used. Without `meaning` only what must never break is judged:
    placeholders, tags, codes, numbers, terms and form, not what lists of words say of the rest."""
    wanted = segment.wanted(target_locale)
    empty = not any(text.strip() for text in segment.forms.values())
    missing = [form for form in wanted if not empty and not target.get(form, "").strip()]
    if missing:
        return [f"the form {form or 'text'!r} is missing or empty" for form in missing]
    problems: dict[str, None] = {}
    for form in wanted:
        judged = [
            [
                *_compare(source, target[form], segment, source_locale, target_locale, glossary),
                *(_meaning(source, target[form], segment, source_locale, target_locale) if meaning else ()),
            ]
            for source in segment.references(form, target_locale)
        ]
        if all(judged):
            problems |= dict.fromkeys(f"{form}: {problem}" if form else problem for problem in judged[-1])
    return list(problems)


def _compare(source: str, target: str, segment: Segment, source_locale: str, target_locale: str, glossary: Glossary) -> list[str]:
    return [
        *_protected(source, target),
        *_glued(source, target),
        *_tags(source, target, segment.html),
        *structure.compare(source, target),
        *_amounts(_bare(source), _bare(target), source_locale, target_locale),
        *_terms(source, target, glossary.kept(target_locale, segment.kept), glossary.preferred(target_locale)),
        *_characters(source, target, target_locale),
        *_shape(source, target, segment.max_length),
        *_language(source, target, source_locale, target_locale),
    ]


def _meaning(source: str, target: str, segment: Segment, source_locale: str, target_locale: str) -> Iterable[str]:
    given, said = _bare(source), _bare(target)
    for of_words in (polarity, opposites, substances, enumerations, restated, abbreviations, tongues):
        yield from of_words.compare(given, said, base(source_locale), base(target_locale))
    for whole in (coverage, dimensions):
        yield from whole.compare(given, said, source_locale, target_locale)
    yield from _length(bare(source), bare(target), source_locale, target_locale)
    yield from _appeals(bare(source), said, source_locale, target_locale)
    yield from makers.compare(given, said, base(source_locale), base(target_locale))
    if segment.alone:
        yield from coverage.one_by_one(given, said)
    if segment.remark:
        yield from apart.lost(given, said, source_locale, target_locale)


def _bare(text: str) -> str:
    return unescape(bare(text))


def _protected(source: str, target: str) -> Iterable[str]:
    for kind in ("placeholder", "address", "code", "token"):
        before, after = ([even(s.text) for s in spans(text) if s.kind == kind] for text in (source, target))
        yield from _difference(before, after, kind)
        if kind == "placeholder":
            ordered = [[p for p in found if _UNNUMBERED.fullmatch(p)] for found in (before, after)]
            if ordered[0] != ordered[1] and Counter(before) == Counter(after):
                yield f"the placeholders {' '.join(ordered[0])} must keep their order"


def _glued(source: str, target: str) -> Iterable[str]:
    """Addresses that a reader could no longer tell from what stands beside them."""

    def found(text: str) -> list[str]:
        parts = list(spans(text))
        ends = {part.end for part in parts if part.kind == "placeholder"}
        return [
            part.text
            for part in parts
            if part.kind == "address"
            and (part.start in ends or text[: part.start][-1:].isalnum() or text[part.end :][:1].isalnum())
        ]

    for address in set(found(target)) - set(found(source)):
        yield f"{address[:60]} is glued to other text"


def _tags(source: str, target: str, html: bool) -> Iterable[str]:
    before, after = ([_even_tag(s.text) for s in spans(text) if s.kind == "tag"] for text in (source, target))
    yield from _difference(before, after, "tag")
    if before == after or Counter(before) != Counter(after):
        pass
    elif nested(source) and not nested(target):
        yield "its tags are not nested as in the source"
    if _DOUBLE_ENTITY.search(target) and not _DOUBLE_ENTITY.search(source):
        yield "an entity is escaped twice"
    if not html:
        new = set(_ENTITY.findall(target)) - set(_ENTITY.findall(source))
        if new:
            yield f"it has the entity {min(new)}, which the source has not"
    elif new := {entity for entity in set(_ENTITY.findall(target)) - set(_ENTITY.findall(source)) if unescape(entity) in _PLAIN}:
        yield f"it has {min(new)} for an ordinary character"
    elif _ENTITY.search(source) and "&" in _ENTITY.sub("", bare(target)) and "&" not in _ENTITY.sub("", bare(source)):
        yield "it has a bare &, where the source has entities"
    for mark in "{}<>":
        given, found = bare(source).count(mark), bare(target).count(mark)
        if found > given or (mark in "{}" and found < given):
            yield f"it has {mark} {found} times, the source {given} times"


def _amounts(source: str, target: str, source_locale: str, target_locale: str) -> Iterable[str]:
    """Numbers and units of texts without markup."""
    return list(numbers.compare(source, target, source_locale, target_locale)) or units.compare(
        source, target, source_locale, target_locale
    )


def _terms(source: str, target: str, kept: list[str], preferred: Mapping[str, str]) -> Iterable[str]:
    yield from _difference(find_terms(source, kept), find_terms(target, kept), "term")
    for term, wanted in preferred.items():
        if find_terms(source, [term]) and not _contains(target, wanted):
            yield f"{term!r} must be translated as {wanted!r}"


def _characters(source: str, target: str, target_locale: str) -> Iterable[str]:
    allowed = "".join(_JOINERS.get(script, "") for script in scripts(target_locale))
    new = set(_INVISIBLE.findall(target)) - set(_INVISIBLE.findall(source)) - set(allowed)
    if new:
        yield f"it has an invisible character, U+{ord(min(new)):04X}"


def _shape(source: str, target: str, max_length: int | None) -> Iterable[str]:
    if max_length is not None and len(target.strip()) > max_length:
        yield f"it has {len(target.strip())} characters, at most {max_length}"
    if target.strip().count("\n") != source.strip().count("\n"):
        yield "it does not have the line breaks of the source"
    if "```" in target and "```" not in source:
        yield "it has a code fence"
    if _capitals(target) and any(letter.islower() for letter in bare(source)):
        yield "it is in capitals, and the source is not"
    core, given = target.strip(), source.strip()
    for pair in _QUOTES:
        if len(core) > 1 and core[0] == pair[0] and core[-1] == pair[1] and given[:1] not in "\"'“„«‘`":
            yield "it is in quotation marks"


def _capitals(text: str) -> bool:
    """Whether a text of several words, or more, has only capitals; "N/A" has none."""
    words = re.findall(r"[^\W\d_]{2,}", bare(text))
    return len(words) > 1 and all(letter.isupper() for word in words for letter in word)


def _length(source: str, target: str, source_locale: str, target_locale: str) -> Iterable[str]:
    limits, before, after = lengths(), len(source.strip()) * density(source_locale), len(target.strip()) * density(target_locale)
    if after > limits.most * before + limits.more or (before >= limits.long and after < limits.least * before):
        yield f"it is {len(target.strip())} characters long, the source {len(source.strip())}"


def _appeals(source: str, target: str, source_locale: str, target_locale: str) -> Iterable[str]:
    found = appeals.added(source, target, base(source_locale), base(target_locale))
    if found is not None:
        yield f"{found!r} advertises, and the source does not"


def _language(source: str, target: str, source_locale: str, target_locale: str) -> Iterable[str]:
    words = re.findall(r"[^\W\d_]{2,}", bare(source))
    if base(source_locale) != base(target_locale) and len(words) >= 3 and target.strip() == source.strip():
        yield "it is the source text"
    expected = scripts(target_locale)
    if not expected:
        return
    letters = [c for c in bare(target) if c.isalpha() and c not in "ªº"]  # ordinals: 1.ª compra
    known = {c: _script(c) for c in set(letters)}
    foreign = {c for c, script in known.items() if script not in (*expected, "LATIN")} - set(source)
    if foreign and len(foreign) > (0 if "LATIN" in expected else 2):
        yield f"it has letters of another script: {''.join(sorted(foreign))[:20]}"
    if "LATIN" not in expected and len(words) >= 3 and not any(script in expected for script in known.values()):
        yield "it is not in the script of the language"


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split()[0]


def _difference(before: list[str], after: list[str], what: str) -> Iterable[str]:
    lost, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    for text in list(lost)[:3]:
        yield f"{_shown(text, what)} is missing"
    for text in list(new)[:3]:
        yield f"{_shown(text, what)} is not in the source, or there too rarely"


def _shown(text: str, what: str) -> str:
    """For people, who know no tokens."""
    return repr(text[:60]) if what == "token" else f"the {what} {text[:60]}"


def _even_tag(tag: str) -> str:
    text = re.sub(r"\s+", " ", tag)
    return re.sub(r"\s*/?>$", ">", text) if (m := _TAG.match(text)) and m[2].lower() in VOID else re.sub(r"\s+>$", ">", text)


def _contains(target: str, wanted: str) -> bool:
    """Whether the wanted words are there, in any inflection that keeps most of their beginning."""
    text = unicodedata.normalize("NFC", target).casefold()
    for word in unicodedata.normalize("NFC", wanted).casefold().split():
        stem = word if len(word) < 4 else word[: max(3, (len(word) * 7 + 9) // 10)]
        if stem not in text:
            return False
    return True
