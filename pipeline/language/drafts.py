"""Texts of a product for one marketplace, and whether they may be used: each field is judged by code, whoever wrote it."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import chain

from pipeline.language.languages import base
from pipeline.language.reading import claims, facts, grounding, hearsay
from pipeline.language.reading.negations import denials
from pipeline.language.reading.sentences import sentences
from pipeline.language.reading.telling import telling, tells
from pipeline.language.reading.variants import one_of_several
from pipeline.language.reading.wording import WORD, both, fold, folded, lists, stem, visible
from pipeline.language.translation.masks import spans

#: In the order in which they are judged.
FIELDS = ("title", "description", "bullets", "keywords")
#: A title keeps at least so many of its words, a description likewise: else it is about something else.
_TITLE_KEEPS, _DESCRIPTION_KEEPS = 0.5, 0.3
_MOST_BULLETS, _MOST_KEYWORDS = 5, 40
#: Characters of a description that count.
MOST_TEXT = 8_000
_LONGER, _SHORT = 4, 400  # an answer is at most so many times its source, unless that is short
_TAG = re.compile(r"<[A-Za-z/!][^<>]*>|&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w{1,30});")
_CONTACT = re.compile(
    r"\+\d[\d ()/.-]{6,}\d|(?<!\w)@[a-z][\w.]{2,}"
    r"|(?<!\w)\w+\s?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\)|\sdot\s)\s?(?:com|net|org|shop|store|de|fr|es|eu|io)(?!\w)"
    r"|(?<!\w)(?:t\.me|wa\.me|bit\.ly|instagram|whatsapp|telegram|tiktok)(?!\w)",
    re.IGNORECASE,
)
#: w a t e r p r o o f
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W\d_][\s.\-_]{1,3}){4,}[^\W\d_](?![^\W_])")
_DECORATION = re.compile("[\U0001f000-\U0001faff\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\ufe0f★♥✓►]|!!|\\?\\?")
_CHATTER = re.compile(
    r"^\s*(?:```|here (?:is|are)\b|here's\b|sure[,!]|certainly\b|as an ai\b|i (?:cannot|can't|am)\b|title\s*:)", re.I
)
_MOST_SHOWN = 120
#: Kinds of facts that a title takes from a description only where a person sees it.
_PROMISES = ("certification", "country", "compatibility", "claim")
#: And any other text.
_SEALS = ("certification",)
#: What a doubt begins with.
DOUBT = "a person must see"
#: What a reason begins with for which only people accept a text, one by one or all at once.
NEWS = "no policy accepts it"
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Limit:
    """The most of a text: `most` characters, or bytes in UTF-8. For bullets it is of each."""

    most: int
    unit: str = "characters"

    def fits(self, text: str) -> bool:
        return (len(text.encode()) if self.unit == "bytes" else len(text)) <= self.most


@dataclass(frozen=True)
class Brief:
    """For whom is written: `limits` has the fields that the marketplace shows. `brands` are vendors of the store's catalog,
    `vocabulary` the stems of words that name kinds of products there."""

    marketplace: str
    language: str
    limits: Mapping[str, Limit]
    brands: Collection[str] = ()
    vocabulary: Collection[str] = frozenset()

    @property
    def tongue(self) -> str:
        return base(self.language)


@dataclass(frozen=True)
class Product:
    """What is known of a product: `about` has facts by name, besides its texts. `key` is the caller's."""

    key: str
    title: str
    description: str  # plain text
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, str]:
        """All of it, as a buyer sees it."""
        found = {"title": self.title, **self.about, "description": self.description[:MOST_TEXT]}
        return {name: text for name, text in ((name, facts.visible(text)) for name, text in found.items()) if text.strip()}

    @property
    def source_hash(self) -> str:
        """Of all that a suggestion is made from: a decision about it holds until this changes."""
        return hashlib.sha256(json.dumps(self.said, sort_keys=True).encode()).hexdigest()

    @cached_property
    def instructs(self) -> str | None:
        return next(filter(None, map(facts.instructs, [self.title, self.description, *self.about.values()])), None)

    def one_of_several(self, name: str, text: str) -> Iterator[str]:
        """What a text for the field `name` says of all variants that holds for some."""
        source = self.title if name == "title" else f"{self.title}\n{self.description}"
        return one_of_several(text, self.about.get("options", ""), source)

    def known(self, brands: Collection[str]) -> facts.Known:
        own = facts.fold(self.about.get("brand", ""))
        return facts.Known(
            [facts.plain_sentences(text) for text in self.said.values()], [one for one in brands if facts.fold(one) != own]
        )


@dataclass(frozen=True)
class Draft:
    """Proposed texts by field (bullets one a line, keywords with commas) that the guards let pass; `problems` of others. Texts
    with `doubts` are for a person to look at: no policy accepts them."""

    texts: Mapping[str, str]
    problems: Mapping[str, Sequence[str]]
    engine: str
    reason: str = ""
    doubts: Mapping[str, Sequence[str]] = field(default_factory=dict)


def keeping(draft: Draft, bullets: str, brief: Brief) -> Draft:
    """The draft without bullets that lose a number or a negation of those that the listing has: buyers read no further."""
    if "bullets" not in draft.texts or not (missing := facts.lost(bullets, draft.texts["bullets"], brief.tongue)):
        return draft
    texts = {name: text for name, text in draft.texts.items() if name != "bullets"}
    return replace(draft, texts=texts, problems={**draft.problems, "bullets": [*draft.problems.get("bullets", ()), *missing]})


def check(product: Product, brief: Brief, texts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The fields that may be used, and what is wrong with the others. Of bullets and keywords the good ones are used."""
    known, good, problems = product.known(brief.brands), dict[str, str](), dict[str, list[str]]()
    for name in FIELDS:
        limit, text = brief.limits.get(name), texts.get(name, "").strip()
        if limit is None or not text or text == getattr(product, name, None):
            continue
        if name in ("title", "description"):
            found = [*form_problems(text, limit), *_facts(name, text, product, brief, known)]
        elif name == "bullets":
            points = text.split("\n")
            mixed = {one: list(product.one_of_several(name, one)) for one in points}
            text, found = _best([one for one in points if not mixed[one]], limit, "\n", known, brief, any_case=False)
            found += chain.from_iterable(mixed.values())
        else:
            text, found = _best(text.split(","), Limit(limit.most), ", ", known, brief, any_case=True)
            text = _within(text, limit)
        if text and (name in ("bullets", "keywords") or not found):
            good[name] = text
        if found:
            problems[name] = found
    return good, problems


def doubts(product: Product, brief: Brief, texts: Mapping[str, str], answer: Mapping[str, str]) -> dict[str, list[str]]:
    """By field: what is no fact that a list knows, and that the product does not say either, or only in passing. Not wrong, but
    for a person to see: a buyer could take "vets recommend it" at its word. A text without such a doubt may still have words
    that are not the product's (`NEWS`). `answer` is all that was written with `texts`."""
    known, found = product.known(brief.brands), dict[str, list[str]]()
    own = facts.Known([product.title, *product.about.values()])
    for name, text in texts.items():
        for said in claims.stated(folded(text), brief.tongue, _PROMISES if name == "title" else _SEALS):
            if not own.states(said):
                found.setdefault(name, []).append(f"{DOUBT}: only the description says {said.shown!r}")
    for name in ("description", "bullets"):
        for sentence in grounding.beside(texts.get(name, ""), known.has_form, brief.tongue):
            found.setdefault(name, []).append(f"{DOUBT}: the product does not say {sentence[:_MOST_SHOWN]!r}")
        for denial in facts.new_denials(texts.get(name, ""), known, brief.tongue):
            found.setdefault(name, []).append(f"{DOUBT}: the product does not deny it in these words: {denial[:_MOST_SHOWN]!r}")
    for keyword in texts.get("keywords", "").split(", "):
        new = [word for word in telling(keyword, brief.tongue) if not known.has_form(word) and stem(word) not in brief.vocabulary]
        if new:
            found.setdefault("keywords", []).append(f"{DOUBT}: neither the product nor the catalog says {new[0]!r}")
    for name, problems in _in_passing(product, brief, texts, answer, known).items():
        found.setdefault(name, []).extend(problems)
    for name, text in texts.items():
        if name not in found and (word := next(_news(text, known, brief.tongue), None)) is not None:
            found[name] = [f"{NEWS}: the product does not say {word[:_MOST_SHOWN]!r}"]
    return found


def _news(text: str, known: facts.Known, language: str) -> Iterator[str]:
    """Words that tell something, or how much or how long, and denials, that the product does not have."""
    for word in dict.fromkeys(WORD.findall(text)):
        if (tells(word, language) or fold(word) in _quantities(language)) and not known.has_form(word):
            yield word
    for sentence in sentences(visible(text)):
        yield from grounding.affirmed(sentence, known.only_denied, language)
    for denial in denials(visible(text), both(language)):
        if not denial.about <= known.denials:
            yield denial.shown


@cache
def _quantities(language: str) -> frozenset[str]:
    return frozenset(map(fold, str(lists("quantities").get(language, "")).split()))


def _in_passing(
    product: Product, brief: Brief, texts: Mapping[str, str], answer: Mapping[str, str], known: facts.Known
) -> dict[str, list[str]]:  # fmt: skip
    """By field: what only sentences say that no text may rest on alone, in these words or in others."""
    fields = dict(zip(product.said, known.texts, strict=True))
    prose = fields.pop("description", "")
    written = "\n".join(text for name, text in answer.items() if name in ("title", "description", "bullets"))
    passages, weak = hearsay.parted(fields, prose, written, answer.get("keywords", ""), brief.tongue)
    if not weak:
        return {}
    ground = facts.Known(passages, known.brands)
    found = dict[str, list[str]]()
    copied = sentences(visible(prose))
    for name, text in texts.items():
        text = hearsay.without(text, copied) if name == "description" else text
        words = list(hearsay.resting(text, ground, known, brief.tongue))
        source = next((one for one in weak if words and facts.Known([one]).has_form(words[0])), "")
        if words:
            found[name] = [f"{DOUBT}: {words[0]!r} is only said in {source[:_MOST_SHOWN]!r}"]
        elif new := facts.invented(text, ground, brief.tongue, any_case=name == "keywords"):
            found[name] = [f"{DOUBT}: {new[0]}, but for what is said in {weak[0][:_MOST_SHOWN]!r}"]
    return found


def _best(
    parts: Sequence[str], limit: Limit, joint: str, known: facts.Known, brief: Brief, *, any_case: bool
) -> tuple[str, list[str]]:  # fmt: skip
    """The good ones, each once, and what is wrong with the others."""
    good: dict[str, str] = {}
    found: list[str] = []
    for part in parts:
        text = " ".join(part.split()).strip("-•* ")
        problems = [*form_problems(text, limit), *facts.invented(text, known, brief.tongue, any_case=any_case)] if text else []
        if problems:
            found += problems
        elif text:
            good.setdefault(text.casefold(), text)
    most = _MOST_KEYWORDS if any_case else _MOST_BULLETS
    return joint.join(list(good.values())[:most]), list(dict.fromkeys(found))


def _within(keywords: str, limit: Limit) -> str:
    """The first ones that fit."""
    found = keywords.split(", ")
    while found and not limit.fits(", ".join(found)):
        found.pop()
    return ", ".join(found)


def form_problems(text: str, limit: Limit) -> list[str]:
    """What no text of a listing may have, whoever wrote it."""
    found = [] if limit.fits(text) else [f"it is longer than {limit.most} {limit.unit}"]
    for pattern, what in (
        (_TAG, "HTML"), (_CONTACT, "an address or telephone number"), (_DECORATION, "decoration"), (_UNFIT, "control characters"),
        (_CHATTER, "words of the model to its user"), (_SPACED, "a word that is spelled out"),
    ):  # fmt: skip
        if pattern.search(text):
            found.append(f"it has {what}")
    if not any("address" in one for one in found) and any(span.kind == "address" for span in spans(text)):
        found.append("it has an address or telephone number")
    if facts.visible(text) != _composed(text):
        found.append("it has invisible characters")
    if (said := facts.instructs(text)) is not None:
        found.append(f"it speaks to a machine: {said!r}")
    return found


def _composed(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _identity(product: Product, before: str, after: str) -> list[str]:
    """What tells buyers who made it and what it is, where the title said so before."""
    found = []
    said, says = (facts.Known([text]) for text in (before, after))
    brand = product.about.get("brand", "")
    if brand and facts.fold(brand) in said.folded and facts.fold(brand) not in says.folded:
        found.append(f"the brand {brand!r} is lost")
    kinds = telling(product.about.get("product_type", ""), "en")
    if kinds and stem(kinds[-1]) in said.stems and not says.has_form(kinds[-1]):
        found.append(f"what it is ({kinds[-1]!r}) is lost")
    return found


def _facts(name: str, text: str, product: Product, brief: Brief, known: facts.Known) -> list[str]:
    found = facts.invented(text, known, brief.tongue)
    before = product.title if name == "title" else product.description
    if name == "title":
        limit = brief.limits["title"].most
        if len(before) > limit:  # the marketplace cuts it there anyway
            before = before[: limit + 1].rpartition(" ")[0]
        found += [f"the word {word!r} is new" for word in facts.new_words(text, known, brief.tongue)]
        own = facts.Known([product.title, *product.about.values()])
        named = facts.borrowed(text, own, product.description, brief.tongue)
        found += [f"the name {word!r} stands in the description only" for word in named]
    elif len(text) > max(_SHORT, _LONGER * len(before)):
        found.append("it is much longer than its source")
    found += product.one_of_several(name, text)
    found += facts.lost(before, text, brief.tongue, title=name == "title")
    if name == "title":
        found += _identity(product, before, text)
    if facts.kept_share(before, text) < (_TITLE_KEEPS if name == "title" else _DESCRIPTION_KEEPS):
        found.append("it has little in common with its source")
    return list(dict.fromkeys(found))
