"""Rule sets: the YAML files that declare fixes and rules, for the catalog and for each marketplace.

The file
--------
    name: amazon                     # of the rule set
    version: "3"                     # optional; without it a hash of the file and of this package
    inherit: [option1_name]          # optional: columns of products that variant rules read too
    fixes:                           # applied first, in this order
      - {fix: T18, level: variant, fields: [title], params: {max: 200, unit: characters, keep: [brand, option1]}}
    rules:
      - code: AMZ_TITLE_LENGTH       # unique, A-Z 0-9 _; keeps its meaning for ever
        level: variant               # product: computed once a product, counts in the score of each of its rows
        field: title                 # what the issue points at, and what the check reads; or `fields: [a, b]`: one rule for
                                     # each, with the code CODE_A, and {field} in message, hint and parameters for its name
        dimension: compliance        # completeness | correctness | compliance | identifiers | content | media
        severity: error              # critical | error | warning | info
        weight: 4                    # whole number > 0, within the dimension
        check: max_length
        params: {max: 200}
        when: {role: [single, child], not_flag: gtin_exempt}     # optional, all must hold
        severity_when: {gtin_exempt: warning}                    # optional, by flag
        shows: seo_title             # optional: the column whose value the issue shows, if not `field`
        message: Title is longer than {max} characters.          # {name} = a parameter
        hint: Shorten the title.

`when` looks at context only: `flag` / `not_flag` (names in `Context.flags`), `language` ([en, de]: primary subtag), or a
context column and its allowed values: role, status, gift_card, requires_shipping, category, category_source, condition.

Checks (`quality/masks`; P = presence or quality: a missing value fails, N = prohibition: a missing value passes, G = graded)
---------------------------------------------------------------------------------------------------------------------
Values      present(any_of=[fields]) P; share_present(fields) G; attributes_present(keys) G (JSON column); absent N;
            positive N; between(min, max) N (either may be left out); not_below(other) N; ratio_at_most(other, max) N;
            one_of(values) N; matches(pattern) N whole value; not_matches(pattern, ignore_case) N anywhere;
            differs_from(other) N; near_siblings(factor) N; filled_with(other) present where `other` is;
            not_flagged N the boolean column is not true; unique_in_product(fields) among the rows of the product
Text        max_length(max, unit=characters|bytes) N; length_target(min, max) P G; words_target(min) P G;
            not_all_caps(min_words=4) N; no_repeats(times=2) N; no_phrases(words=promo|filler) N by language; no_emoji N;
            no_html N; no_contact N; no_mojibake N; no_control N; not_placeholder N; html_tags(allowed) N;
            no_characters(characters, loose, unless_in) N as T11; structured(min) P; short_sentences(words) N
Lists       count_target(target) P G; count_at_most(max) N; item_max_length(max, unit) N; no_duplicate_items N
Images      https_urls N; image_types(types) N; any_fetchable(max, secure, without) N at least one address can be used
Feeds       sendable(lines, html) N the marketplaces' validators take the text; distinct_fields(fields) N no two have one value;
            distinct_at_most(max) N different values of the rows of the product
Identifiers sku_legal(max) N; gtin_valid N; gtin_check_digit N; gtin_unrestricted N; gtin_exact N (not rounded by a spreadsheet);
            gtin_unique N (Context.duplicate_gtins); not_scientific N
Checks of text read a list column (bullets) item by item: every item must pass.

Fixes (`quality/fixes`; L lossless, S lossy-safe; the page docs/rules.md explains them)
---------------------------------------------------------------------------------------
Characters  T01 control S; T02 invisible S; T03 mojibake L; T04 NFC L; T05 entities L; T07 straight quotes S; T08 spaces L;
            T09 emoji S (symbols="" more to remove); T10 repeated punctuation S; T11 forbidden S (characters,
            loose="" removed only without a digit beside, unless_in=[fields])
HTML        T06 sanitize S (text_to=field also derives plain text; plain=true strips all tags)
Words       T12 promo phrases S (keep=[fields]), T13 contact data S (both: sentences=true takes the whole sentence);
            T14 all capitals S (min_words=4); T15 all lower case S;
            T16 repeated words S (times=2); T17 doubled brand S (brand=column); T18 over-long S (max, unit, keep=[fields]);
            T19 bullets S; I09 placeholder S
Identifiers I01 missing SKU L, I02 illegal or shared SKU S (assigned=column; catalog only); I03 GTIN clean L; I04 GTIN pad S
Values      P01 price text L (text, beside); P05 sale price S (price=column); Q01 negative stock S; A04 clean list L;
            M01 https S (hosts); M02 image URLs S; M03 repeated images L
Fixes of text change a list column item by item. T09, T11 to T13 and T19 are for channels: they take what a shop may want to
keep.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args

import yaml

from pipeline.model.errors import PipelineError
from pipeline.model.quality import SEVERITIES, Dimension, FixStep, Level, Rule, RuleSet
from pipeline.quality.fixes import FIXES
from pipeline.quality.masks import CHECKS
from pipeline.quality.words import read_yaml

#: What applicability may depend on: facts of the context, never the value that is judged.
CONTEXT_COLUMNS = frozenset(
    {"role", "status", "gift_card", "requires_shipping", "category", "category_source", "condition"},
)
CONTEXT_KEYS = frozenset({"flag", "not_flag", "language"})

_REQUIRED = {"code", "level", "field", "dimension", "severity", "weight", "check", "message", "hint"}
_OPTIONAL = {"params", "when", "severity_when", "shows"}


@cache
def _code() -> bytes:
    """A digest of this package: rows judged by other code or other word lists are never taken over as they are."""
    files = sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in {".py", ".yaml", ".txt"})
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        digest.update(path.read_bytes())
    return digest.digest()


def load_ruleset(path: Path) -> RuleSet:
    """The rule set of a YAML file; PipelineError names the file, the entry and what is wrong with it."""
    return _parse(path.name, path.read_bytes())


@lru_cache(maxsize=16)
def _parse(file: str, content: bytes) -> RuleSet:
    """Kept: a run asks for the same ones several times, and each takes as long as judging some hundred products."""
    try:
        data = read_yaml(content)
    except yaml.YAMLError as error:
        raise PipelineError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise PipelineError(f"{file} must be a mapping with name, fixes and rules")
    _known(file, data, {"name", "version", "inherit", "fixes", "rules"}, {"version", "inherit", "fixes"})
    fixes = [step for index, entry in enumerate(data.get("fixes") or [], 1) for step in _fix(f"{file}, fix {index}", entry)]
    rules = [rule for index, entry in enumerate(data["rules"] or [], 1) for rule in _rules(f"{file}, rule {index}", entry)]
    codes = [rule.code for rule in rules]
    for code in sorted(code for code in set(codes) if codes.count(code) > 1):
        raise PipelineError(f"{file} has the rule {code} more than once; codes are unique")
    version = str(data.get("version") or hashlib.blake2b(content + _code(), digest_size=8).hexdigest())
    return RuleSet(str(data["name"]), version, tuple(fixes), tuple(rules), tuple(data.get("inherit") or ()))


def _known(where: str, entry: Any, keys: set[str], optional: set[str]) -> None:
    if not isinstance(entry, dict):
        raise PipelineError(f"{where} must be a mapping")
    for problem, names in (("is missing", keys - optional - set(entry)), ("is not a key here", set(entry) - keys)):
        if names:
            raise PipelineError(f"{where}: {', '.join(sorted(map(str, names)))} {problem}")


def _fix(where: str, entry: Any) -> list[FixStep]:
    _known(where, entry, {"fix", "level", "fields", "params"}, {"params"})
    if entry["fix"] not in FIXES:
        raise PipelineError(f"{where}: no fix {entry['fix']}; known: {', '.join(sorted(FIXES))}")
    where = f"{where} ({entry['fix']})"
    _choice(where, "level", entry["level"], get_args(Level))
    if not isinstance(entry["fields"], list) or not entry["fields"]:
        raise PipelineError(f"{where}: fields must be a list of columns")
    params = _params(where, FIXES[entry["fix"]].signature, entry.get("params") or {})
    return [FixStep(entry["fix"], entry["level"], field, params) for field in entry["fields"]]


def _rules(where: str, entry: Any) -> list[Rule]:
    """One rule, or one for each of its `fields`."""
    if not isinstance(entry, dict) or "fields" not in entry:
        return [_rule(where, entry)]
    fields = entry["fields"]
    if not isinstance(fields, list) or not fields or not all(isinstance(name, str) for name in fields):
        raise PipelineError(f"{where}: fields must be a list of columns")
    shared = {key: value for key, value in entry.items() if key != "fields"}
    return [
        _rule(where, {**_for_field(shared, name), "field": name, "code": f"{entry.get('code')}_{name.upper()}"})
        for name in fields
    ]


def _for_field(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        return {key: _for_field(item, field) for key, item in value.items()}
    return value.replace("{field}", field) if isinstance(value, str) else value


def _rule(where: str, entry: Any) -> Rule:
    where = f"{where} ({entry['code']})" if isinstance(entry, dict) and "code" in entry else where
    _known(where, entry, _REQUIRED | _OPTIONAL, _OPTIONAL)
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(entry["code"])):
        raise PipelineError(f"{where}: a code is capital letters, digits and underscores")
    _choice(where, "level", entry["level"], get_args(Level))
    _choice(where, "dimension", entry["dimension"], get_args(Dimension))
    _choice(where, "severity", entry["severity"], SEVERITIES)
    if type(entry["weight"]) is not int or entry["weight"] < 1:
        raise PipelineError(f"{where}: weight must be a whole number above 0")
    if entry["check"] not in CHECKS:
        raise PipelineError(f"{where}: no check {entry['check']}; known: {', '.join(sorted(CHECKS))}")
    params = _params(where, CHECKS[entry["check"]], entry.get("params") or {})
    for severity in (entry.get("severity_when") or {}).values():
        _choice(where, "severity_when", severity, SEVERITIES)
    texts = {}
    for key in ("message", "hint"):
        try:
            texts[key] = str(entry[key]).format_map(params)
        except (KeyError, ValueError, IndexError) as error:
            raise PipelineError(f"{where}: {key} names the parameter {error}, which the rule does not have") from None
    return Rule(
        **{key: entry[key] for key in ("code", "level", "field", "dimension", "severity", "weight", "check")},
        message=texts["message"],
        hint=texts["hint"],
        params=params,
        when=_when(where, entry.get("when") or {}),
        severity_when=dict(entry.get("severity_when") or {}),
        shows=entry.get("shows"),
    )


def _when(where: str, entry: Any) -> dict[str, tuple[str | bool, ...]]:
    if not isinstance(entry, dict):
        raise PipelineError(f"{where}: when must be a mapping")
    for key in entry:
        _choice(where, "when", key, sorted(CONTEXT_COLUMNS | CONTEXT_KEYS))
    return {key: tuple(value) if isinstance(value, list) else (value,) for key, value in entry.items()}


def _choice(where: str, key: str, value: Any, allowed: Any) -> None:
    if value not in allowed:
        raise PipelineError(f"{where}: {key} is {value!r}, but must be one of {', '.join(map(str, allowed))}")


def _params(where: str, function: Callable[..., Any], given: Any) -> Mapping[str, Any]:
    """The parameters with their defaults, checked against the function's keyword-only arguments."""
    if not isinstance(given, dict):
        raise PipelineError(f"{where}: params must be a mapping")
    declared = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    required = {name for name, parameter in declared.items() if parameter.default is inspect.Parameter.empty}
    _known(f"{where}: params", given, set(declared), set(declared) - required)
    for name, value in given.items():
        kinds = str(declared[name].annotation).split(" | ")
        if not any(_KINDS[kind](value) for kind in kinds):
            raise PipelineError(f"{where}: params: {name} is {value!r}, but must be {kinds[0]}")
        if name == "unit":
            _choice(where, "unit", value, ("characters", "bytes"))
        if name == "words" and isinstance(value, str):
            _choice(where, "words", value, ("filler", "promo"))
    defaults = {name: parameter.default for name, parameter in declared.items() if name not in required}
    return {**defaults, **given}


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "int": lambda value: type(value) is int,
    "float": lambda value: type(value) in (int, float),
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "list[str]": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    "None": lambda value: value is None,
}
