"""What a translator must not touch: placeholders, tags, addresses, codes and terms, found in a text and hidden behind tokens.

`⟦1⟧` stands for the first distinct span; the same span has the same number in all forms of a text. A text that contains such
a token already has it hidden too, so that unmasking gives back exactly what was there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

#: Longest first; CASED, LATIN, DOMAIN and MIXED are put in below. The lengths are bounded, since a hostile text may open a
#: thousand braces and close none.
_GRAMMAR = r"""
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
    | (?P<address>
          (?i:[a-z][a-z0-9+.\-]{1,20}://|www\.)(?:(?!\)[^\x00-\x7f])[^\s<>"'⟦⟧]){1,2000}(?<![.,;:!?)])
        | [\w.+\-]{1,64}@[\w\-]{1,64}(?:\.[\w\-]{1,64}){1,5}
        | (?<![CASED@.\-]) (?:[LATIN\-]{1,63}\.){0,3}              # a host without a scheme
          (?: [LATIN\-]{2,63}\.(?:DOMAIN) (?![CASED]|\.[a-z])
            | [LATIN\-]{3,63}\.(?:(?:com?|org|net)\.)?(?:[a-z]{2}|[A-Z]{2}) (?![CASED]|\.[a-z])
            | [LATIN\-]{1,63}\.[a-z]{2,24}(?=/\w) )
          (?:[/?\#](?:(?!\)[^\x00-\x7f])[^\s<>"'⟦⟧]){0,2000}(?<![.,;:!?)]))?
      )
    | (?P<code>                                            # WH-1000XM4, AB-1234-X, SAVE10
          (?<![CASED&\#]) (?<![A-Z0-9][\-_/.])
          (?: (?:[A-Z0-9]{1,20}[\-_/.]|[a-z]{1,3}[\-_]){0,6} MIXED (?:[\-_/.](?:MIXED|[A-Z0-9]{1,20})){0,6}
            | (?![AP]M-) [A-Z]{1,12} (?:[\-_][A-Z]{1,12}){0,4} [\-_][0-9][A-Z0-9]{0,19} (?:[\-_/.][A-Z0-9]{1,20}){0,6}
            | [0-9]{4,14}[\-_][A-Z]{1,3} (?:[\-_/.][A-Z0-9]{1,20}){0,6} )
          (?![CASED]|\s?%(?![\w{(@%]))
      )
"""
#: Letters of a host name; those after which, or before which, neither a code nor a host begins or ends (other scripts may touch).
_LATIN, _CASED = "A-Za-z0-9À-ɏ", "A-Za-z0-9À-ɏͰ-ԯ"
#: Ends of host names of more than two letters: what people type without a scheme. Others are seen with one, or with a path.
_DOMAINS = (
    "[Cc]om|[Nn]et|[Oo]rg|COM|NET|ORG|info|biz|shop|store|online|site|website|club|xyz|top|app|dev|blog|link|click|live|life|world"
    "|today|deals|sale|buy|market|pro|vip|fun|space|tech|cloud|email|news|page|example|invalid|test|local|onion"
)
#: A piece of a code has a digit after a letter. A number with a unit has not (5cm, 500ml, 3D, 1st), and neither are sizes,
#: areas and times of day codes (2x, 40x30cm, x2, 10m2, 9h30).
_NONE = rf"(?:[xX]?\d+(?:[xX]\d+)*[a-z]{{0,3}}|[kcdm]?m)[23]?(?![{_CASED}])|\d+[hH][0-5]\d(?!\w)"
_MIXED = rf"(?=[A-Za-z0-9]{{0,20}}[A-Za-z][0-9])(?!{_NONE})[A-Za-z0-9]{{2,24}}"
_SPANS = re.compile(
    _GRAMMAR.replace("MIXED", _MIXED).replace("DOMAIN", _DOMAINS).replace("CASED", _CASED).replace("LATIN", _LATIN),
    re.VERBOSE | re.DOTALL,
)
#: Tags without an end.
VOID = {"br", "hr", "img", "input", "wbr", "meta", "link", "source", "area", "col", "embed"}
_TAG_NAME = re.compile(r"</?([A-Za-z][\w:-]*)")
_OPEN_OR_CLOSE = re.compile(r"<(/?)([A-Za-z][\w:-]*)")
_PLAIN_TAG = re.compile(r"</?[A-Za-z][\w:-]*\s*/?>")
_TOKEN = re.compile(r"⟦(\d{1,4})⟧")


class Span(NamedTuple):
    """A protected part of a text. `kind`: token | placeholder | tag | address | code."""

    kind: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Masked:
    """The forms of a text with tokens in place of `spans`: `⟦n⟧` is `spans[n - 1]`."""

    forms: Mapping[str, str]
    spans: tuple[str, ...]

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each of the spans."""
        return tuple(next((span.kind for span in spans(text)), "term") for text in self.spans)

    def unmask(self, text: str) -> str:
        """Tokens back to what they hide; raises ValueError for one that was never given."""

        def put(match: re.Match[str]) -> str:
            number = int(match[1])
            if not 1 <= number <= len(self.spans):
                raise ValueError(f"{match[0]!r} is not in the source")
            return self.spans[number - 1]

        return _TOKEN.sub(put, text)


@lru_cache(maxsize=16)  # of one pair, for all who compare it
def spans(text: str) -> Sequence[Span]:
    """The protected parts, in order, never overlapping."""
    return tuple(Span(str(match.lastgroup), *match.span(), match[0]) for match in _SPANS.finditer(text))


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
    found = spans(text)
    starts, ends = [0, *(span.end for span in found)], [*(span.start for span in found), len(text)]
    return " ".join(text[start:end] for start, end in zip(starts, ends, strict=True))


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


def nested(text: str) -> bool:
    """Whether its tags are closed in order."""
    stack: list[str] = []
    for span in spans(text):
        match = _OPEN_OR_CLOSE.match(span.text) if span.kind == "tag" else None
        if match is None or match[2].lower() in VOID or span.text.endswith("/>"):
            continue
        if not match[1]:
            stack.append(match[2].lower())
        elif not stack or stack.pop() != match[2].lower():
            return False
    return not stack
