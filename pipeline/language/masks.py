"""What a translator must not touch: placeholders, tags, addresses and terms, found in a text and hidden behind tokens.

`⟦1⟧` stands for the first distinct span; the same span has the same number in all forms of a text. A text that contains such
a token already has it hidden too, so that unmasking gives back exactly what was there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: Longest first; the lengths are bounded, since a hostile text may open a thousand braces and close none.
_SPANS = re.compile(
    r"""
      (?P<token>⟦[^⟦⟧]{0,40}⟧|[⟦⟧])
    | (?P<placeholder>
          \{%.{0,500}?%\}                                    # Liquid tags
        | \{\{\{?.{0,500}?\}\}\}?                            # Liquid, Handlebars, i18next
        | \$\{[^{}]{0,200}\} | \$t\([^()]{0,200}\)           # template literals, nested i18next keys
        | %\{[^{}]{1,200}\}                                  # Ruby
        | %\([\w.]{1,100}\)[#0\-+]*[\d.*]*[diouxXeEfFgGcrsa] # Python
        | %[A-Za-z_]\w{1,60}%                                # Symfony
        | (?<!\d)%(?:\d{1,3}\$)?[#0\-+']*\d{0,6}(?:\.\d{1,6})?(?:hh|h|ll|l|q|L|z|t|j)?[diuxXeEfgGsp@] # printf
        | %%
        | \{\s{0,9}[\w.\-\[\]$@\#]{0,100}\s{0,9}(?:,[^{}]{0,200})?\}        # ICU arguments, Python format
      )
    | (?P<tag><!--.{0,2000}?--> | </?[A-Za-z][^<>]{0,2000}>)
    | (?P<address>https?://[^\s<>"'⟦⟧]{1,2000}[^\s<>"'⟦⟧.,;:!?)] | [\w.+\-]{1,64}@[\w\-]{1,64}(?:\.[\w\-]{1,64}){1,5})
    """,
    re.VERBOSE | re.DOTALL,
)
_TAG_NAME = re.compile(r"</?([A-Za-z][\w:-]*)")
_PLAIN_TAG = re.compile(r"</?[A-Za-z][\w:-]*\s*/?>")
_TOKEN = re.compile(r"⟦(\d{1,4})⟧")


class Span(NamedTuple):
    """A protected part of a text. `kind`: token | placeholder | tag | address."""

    kind: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Masked:
    """The forms of a text with tokens in place of `spans`: `⟦n⟧` is `spans[n - 1]`."""

    forms: Mapping[str, str]
    spans: tuple[str, ...]

    def unmask(self, text: str) -> str:
        """Tokens back to what they hide; raises ValueError for one that was never given."""

        def put(match: re.Match[str]) -> str:
            number = int(match[1])
            if not 1 <= number <= len(self.spans):
                raise ValueError(f"the token {match[0]} was invented")
            return self.spans[number - 1]

        return _TOKEN.sub(put, text)


def spans(text: str) -> Iterator[Span]:
    """The protected parts, in order, never overlapping."""
    for match in _SPANS.finditer(text):
        yield Span(str(match.lastgroup), match.start(), match.end(), match[0])


def placeholders(text: str) -> list[str]:
    """Placeholders in order of appearance, spaces inside them evened out."""
    return [even(span.text) for span in spans(text) if span.kind == "placeholder"]


def even(placeholder: str) -> str:
    """`{{ count }}` and `{{count}}` are the same placeholder."""
    return re.sub(r"\s+", " ", re.sub(r"(?<=[{%,|])\s+|\s+(?=[}%,|])", "", placeholder))


def has_letters(text: str) -> bool:
    """Whether anything is left to translate once the protected parts are gone."""
    return any(character.isalpha() for character in bare(text))


def bare(text: str) -> str:
    """The text without its protected parts."""
    return _SPANS.sub(" ", text)


def mask(forms: Mapping[str, str], terms: Sequence[str] = ()) -> Masked:
    """Hide protected parts and `terms`; tags without attributes stay visible, because models place them better."""
    hidden: dict[str, int] = {}
    closing = {
        name.lower()
        for text in forms.values()
        for span in spans(text)
        if span.kind == "tag" and not _PLAIN_TAG.fullmatch(span.text)
        for name in _TAG_NAME.findall(span.text)
    }
    wanted = _terms(terms)

    def token(text: str) -> str:
        return f"⟦{hidden.setdefault(text, len(hidden) + 1)}⟧"

    def plain(text: str) -> str:
        return wanted.sub(lambda match: token(match[0]), text) if wanted else text

    masked = {}
    for form, text in forms.items():
        parts, at = [], 0
        for span in spans(text):
            name = _TAG_NAME.match(span.text)
            visible = span.kind == "tag" and _PLAIN_TAG.fullmatch(span.text) and name and name[1].lower() not in closing
            parts += [plain(text[at : span.start]), span.text if visible else token(span.text)]
            at = span.end
        masked[form] = "".join([*parts, plain(text[at:])])
    return Masked(masked, tuple(hidden))


def find_terms(text: str, terms: Sequence[str]) -> list[str]:
    """Occurrences of the terms as they are written in the text, longest terms first, whole words."""
    wanted = _terms(terms)
    return wanted.findall(bare(text)) if wanted else []


def _terms(terms: Sequence[str]) -> re.Pattern[str] | None:
    ordered = sorted({term for term in terms if term}, key=lambda term: (-len(term), term))
    if not ordered:
        return None
    return re.compile("|".join(_whole(term) for term in ordered), re.IGNORECASE)


def _whole(term: str) -> str:
    """A term between word boundaries, where its ends are letters or digits."""
    left = r"(?<!\w)" if term[0].isalnum() else ""
    right = r"(?!\w)" if term[-1].isalnum() else ""
    return f"{left}{re.escape(term)}{right}"
