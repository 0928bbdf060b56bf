"""Facts about languages from `languages.yaml`: plural categories, gettext's rule, names, scripts, numbers. Tags are BCP 47."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.model.errors import UsageError

#: In the order in which files list them.
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
_WITH_REGION = re.compile(r"[a-z]{2,3}-(?:[A-Z]{2}|[0-9]{3})")
#: Regions where people write a language otherwise than it is meant without a region.
_OTHER_SCRIPT = ("zh-TW", "zh-HK", "zh-MO")
_TAG = re.compile(r"([A-Za-z]{2,3})((?:[-_][A-Za-z0-9]{2,8})*)")


@dataclass(frozen=True)
class Plurals:
    """The plural categories of a language, each with numbers that take it; `gettext_forms` says what each msgstr[n] is."""

    categories: Mapping[str, str]
    single: frozenset[str]
    gettext_rule: str
    gettext_forms: Sequence[str]


def normalize_tag(text: str) -> str:
    """`pt_br` as `pt-BR`; raises UsageError for what is no language tag."""
    match = _TAG.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text[:40]!r} is not a language; use a tag such as de or pt-BR")
    parts = [part for part in re.split("[-_]", match[2]) if part]
    shaped = [part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part.lower() for part in parts]
    return "-".join([match[1].lower(), *shaped])


def base(tag: str) -> str:
    """The language without country or script: `pt` of `pt-BR`."""
    return tag.split("-")[0].lower()


def counted_as(found: Collection[str], used: Collection[str]) -> dict[str, str]:
    """Languages of a file that stand for the same without a region, which is `used`: `de-DE` for `de`, whether or not it is used
    itself. None where the file or the store has another region too, which it must not be mixed up with: `pt-BR` and `pt-PT`."""
    regions = {tag for tag in (*found, *used) if tag != base(tag)}
    return {
        tag: base(tag)
        for tag in found
        if _WITH_REGION.fullmatch(tag)
        and tag not in _OTHER_SCRIPT
        and base(tag) in used
        and not any(base(one) == base(tag) for one in regions - {tag})
    }


def plurals(tag: str) -> Plurals:
    """The plurals of a language; raises UsageError for one that the data does not know, rather than guess its forms."""
    known = _plurals()
    found = known.get(tag) or known.get(base(tag))
    if found is None:
        raise UsageError(f"the plural forms of {tag!r} are not known; add the language to pipeline/language/languages.yaml")
    return found


def language_name(tag: str) -> str:
    """In English, with the tag: "Brazilian Portuguese (pt-BR)"."""
    names = _data()["names"]
    name = names.get(tag) or names.get(base(tag))
    return f"{name} ({tag})" if name else tag


def scripts(tag: str) -> tuple[str, ...]:
    """First words of the Unicode names of the language's letters; empty when they are not known or a subtag names a script."""
    if any(len(part) == 4 for part in tag.split("-")[1:]) and base(tag) != "zh":
        return ()
    return next((tuple(names.split()) for names, tags in _data()["scripts"].items() if base(tag) in tags), ())


@cache
def decimal_marks(tag: str) -> str:
    """What stands before the decimals where it could also group thousands: "." or ",", or both."""
    for key in (tag, base(tag)):
        for name, marks in (("point", "."), ("both", ".,")):
            if key in _data()["decimals"][name]:
                return marks
    return ","


@cache
def number_words(tag: str) -> Mapping[str, int]:
    """Words of a language for one to twelve, and first to third; none of a language that the data does not know."""
    words = enumerate(_data()["number_words"].get(base(tag), ()), 1)
    return {form: value for value, forms in words for form in forms.split("|") if form}


@cache
def minus_words() -> Sequence[str]:
    words: Sequence[str] = _data()["minus"]
    return words


@dataclass(frozen=True)
class Lengths:
    """How long a translation may be, in Latin letters: at most `most` times its source and `more`; at least `least` of a source
    of `long` letters or more."""

    most: float
    more: int
    least: float
    long: int


@cache
def lengths() -> Lengths:
    return Lengths(**{name: value for name, value in _data()["length"].items() if name != "density"})


@cache
def density(tag: str) -> float:
    """For how many Latin letters a letter of a language's script counts."""
    return float(max((_data()["length"]["density"].get(script, 1) for script in scripts(tag)), default=1))


@cache
def _plurals() -> dict[str, Plurals]:
    return {
        tag: Plurals(
            group["categories"],
            frozenset(group.get("single", ())),
            group["gettext"]["rule"],
            tuple(group["gettext"]["forms"]),
        )
        for group in _data()["plurals"]
        for tag in group["languages"]
    }


@cache
def _data() -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("languages.yaml").read_text("utf-8"))
    return found
