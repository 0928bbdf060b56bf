"""Better texts without a model: a product's own words and facts, arranged by templates. It never states anything new."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.language.drafts import Brief, Product
from pipeline.language.languages import base
from pipeline.language.reading.hearsay import is_for_buyers
from pipeline.language.reading.polarity import denies
from pipeline.language.reading.sentences import sentences
from pipeline.language.reading.telling import tells
from pipeline.language.reading.wording import fold, stem, supported, visible
from pipeline.marketplaces.options import concept, label
from pipeline.quality.words import small_words

ENGINE = "rules"
_WORD = re.compile(r"[^\W\d_]{3,}(?:-[^\W\d_]{3,})*")
_MOST_BULLETS, _MOST_KEYWORDS = 5, 25
_SHORTEST, _LONGEST = 10, 255
#: Facts that tell a product apart in its title, and those that a marketplace asks for in fields of their own and no buyer reads.
_OF_TITLES = frozenset(("material", "color", "size", "pattern", "scent", "flavor", "volume", "count", "model"))
_OF_FORMS = frozenset(("department", "age_group", "condition", "brand", "mpn"))


@dataclass
class Statistics:
    """In how many descriptions of the catalog a word stands: a word that is in most of them tells nothing apart."""

    products: int = 0
    words: Counter[str] = field(default_factory=Counter)

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
    told = [] if product.instructs else list(filter(is_for_buyers, sentences(visible(product.description[:20_000]))))
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
        if fold(value) not in fold(title) and len(value) <= 30 and limit.fits(longer):
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
    """The tags, the words of type and category, then the rarest of the sentences for buyers that the title does not say."""
    small = {fold(word) for word in small_words(tongue)}
    told = [one for one in told if not denies(one, tongue)]
    tags = [tag.strip() for tag in product.about.get("tags", "").split(",") if is_for_buyers(tag)]
    said = {stem(word) for word in _WORD.findall(f"{product.title} {product.about.get('brand', '')}")}
    ranked = Counter(word for word in _WORD.findall(" ".join(told)[:5_000]) if tells(word, tongue) or not supported(tongue))
    rare = sorted(ranked, key=lambda word: (-ranked[word] * statistics.weight(word), word))
    words = [*_WORD.findall(product.about.get("product_type", "")), *_WORD.findall(product.about.get("category", "")), *rare]
    more = [word.lower() for word in words if stem(word) not in said and fold(word) not in small]
    own: dict[str, str] = {}
    for word in filter(None, [*tags, *more]):
        own.setdefault(stem(word), word)
    return ", ".join(list(own.values())[:_MOST_KEYWORDS])
