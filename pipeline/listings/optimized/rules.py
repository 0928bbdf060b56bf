"""Better texts without a model: a product's own words and facts, arranged by templates. It never states anything new."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.language.drafts import Brief, Product
from pipeline.language.languages import base
from pipeline.language.reading.claims import listed
from pipeline.language.reading.hearsay import is_for_buyers
from pipeline.language.reading.polarity import denies
from pipeline.language.reading.telling import tells
from pipeline.language.reading.wording import fold, sentences, stem, supported
from pipeline.marketplaces.options import concept, label
from pipeline.quality.words import small_words

ENGINE = "rules"
_WORD = re.compile(r"[^\W\d_]{3,}(?:-[^\W\d_]{3,})*")
_FOR = re.compile(r"(?<![^\W_])for\s[^.;:!?()]+", re.IGNORECASE)
_MOST_BULLETS, _MOST_KEYWORDS = 5, 25
_SHORTEST, _LONGEST = 10, 255
_STUFF = ("material", "color")
#: Facts that tell a product apart in its title, and those that a marketplace asks for in fields of their own and no buyer reads.
_OF_TITLES = frozenset(("material", "color", "size", "pattern", "scent", "flavor", "volume", "count", "model"))
_OF_FORMS = frozenset(("department", "age_group", "condition", "brand", "mpn"))


@dataclass
class Statistics:
    """In how many descriptions of the catalog a word stands: one that is in most of them tells nothing apart. `names`: stems of
    the words of its titles, types and tags for buyers; `kinds`: of what anybody sells."""

    products: int = 0
    words: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    kinds: Collection[str] = ()

    def name(self, texts: Iterable[str | None]) -> None:
        """Titles, types and tags."""
        said = (text for text in texts if text and is_for_buyers(text))
        self.names.update(stem(word) for text in said for word in _WORD.findall(text))

    def add(self, texts: Iterable[str | None]) -> None:
        for text in texts:
            self.products += 1
            self.words.update({stem(word) for word in _WORD.findall((text or "")[:2_000])})

    def weight(self, word: str) -> float:
        return math.log((1 + self.products) / (1 + self.words[stem(word)]))


def proposed(
    product: Product, facts: Mapping[str, str], bullets: Sequence[str], brief: Brief, statistics: Statistics
) -> dict[str, str]:
    """Texts by field. `facts` are attributes by name, `bullets` those that the marketplace has already."""
    tongue = base(brief.language)
    known = {name: value for name, value in facts.items() if concept(name) not in _OF_FORMS and (concept(name) or tongue == "en")}
    order = sorted(known, key=lambda name: (concept(name) == "country_of_origin", concept(name) not in _OF_TITLES))
    named = [f"{label(name, brief.language)}: {known[name]}" for name in order]
    told = [] if product.instructs else list(filter(is_for_buyers, sentences(product.description[:20_000])))
    points = _points(product, bullets, named, told)
    found = {
        "title": _title(product, facts, brief),
        "bullets": "\n".join(points),
        "keywords": _keywords(product, tongue, statistics, told),
    }
    if named and not product.description.strip():
        found["description"] = "\n".join(dict.fromkeys([product.title, *named]))
    return {name: text for name, text in found.items() if text and name in brief.limits}


def _title(product: Product, facts: Mapping[str, str], brief: Brief) -> str:
    """Brand, the title, then facts that it does not say, as far as there is room."""
    limit, brand = brief.limits.get("title"), product.about.get("brand", "")
    title = product.title.strip()
    if limit is None or not title:
        return ""
    if brand and fold(brand) not in fold(title) and limit.fits(f"{brand} {title}"):
        title = f"{brand} {title}"
    for value in (value for name, value in facts.items() if concept(name) in _OF_TITLES):
        longer = f"{title.rstrip(' .,;:')}, {value}"
        if fold(value) in fold(title) or any(product.one_of_several("title", value)):
            continue
        if len(value) <= 30 and limit.fits(longer):
            title = longer
    return title


def _points(product: Product, bullets: Sequence[str], named: Sequence[str], told: Sequence[str]) -> list[str]:
    """What is there already, then facts, then sentences of the description that are for buyers."""
    found: list[str] = []
    for text in (*bullets, *named, *(" ".join(one.split()).strip("-•* ").rstrip(".") for one in told)):
        new = not any(fold(text) in fold(other) or fold(other) in fold(text) for other in found)
        if new and _SHORTEST <= len(text) <= _LONGEST and fold(text) != fold(product.title):
            found.append(text)
    return found[:_MOST_BULLETS]


def _keywords(product: Product, tongue: str, statistics: Statistics, told: Sequence[str]) -> str:
    """The tags, the words of type and category, then the rarest of the sentences for buyers that buyers may search for and the
    title does not say."""
    small = {fold(word) for word in small_words(tongue)}
    told = [one for one in told if not denies(one, tongue)]
    tags = [tag.strip() for tag in product.about.get("tags", "").split(",") if is_for_buyers(tag)]
    said = {stem(word) for word in _WORD.findall(f"{product.title} {product.about.get('brand', '')}")}
    ranked = Counter(word for one in told for word in _searched(one[:2_000], tongue, statistics))
    rare = sorted(ranked, key=lambda word: (-ranked[word] * statistics.weight(word), word))
    words = [*_WORD.findall(product.about.get("product_type", "")), *_WORD.findall(product.about.get("category", "")), *rare]
    more = [word.lower() for word in words if stem(word) not in said and fold(word) not in small]
    own: dict[str, str] = {}
    for word in filter(None, [*tags, *more]):
        own.setdefault(stem(word), word)
    return ", ".join(list(own.values())[:_MOST_KEYWORDS])


def _searched(text: str, tongue: str, statistics: Statistics) -> Iterator[str]:
    """The words of a sentence that buyers type: what products of this catalog are called, materials and colors, and what anybody
    sells behind "for"."""
    aims = [match.span() for match in _FOR.finditer(text)] if tongue == "en" else []
    for match in _WORD.finditer(text):
        word, found = match[0], stem(match[0])
        if supported(tongue) and not tells(word, tongue):
            continue
        aimed = found in statistics.kinds and any(start < match.start() < end for start, end in aims)
        if aimed or found in statistics.names or listed(word, tongue, _STUFF):
            yield word
