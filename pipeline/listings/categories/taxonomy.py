"""Trees of categories: Shopify's, which is shipped with Google's numbers, and those of files that operators name.

A marketplace's tree is no part of this project: the operator names a file (UTF-8) with a line a category that products can
have. Tab- or comma-separated with a header line, of which `id` and `name` (the whole path, "A > B > C") are read; or lines
"3237 - A > B" as Google publishes its taxonomy.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.listings.categories.index import Index, Words
from pipeline.listings.categories.text import stem, words
from pipeline.model.errors import BadInputError, UsageError

_FOLDER = Path(__file__).parent
_SEPARATOR = " > "
MOST_BYTES, MOST_ROWS, MOST_LEVELS, MOST_NAME, MOST_ID = 64_000_000, 200_000, 15, 1_000, 100
_NO_CHANCE = 500
_IDS = ("id", "category_id", "categoryid", "product_type")
_NAMES = ("name", "path", "full_name", "full_name_en", "category")
_NUMBERED = re.compile(r"(\d+) - (.+)")
_GID = re.compile(r"gid://shopify/TaxonomyCategory/([a-z]{2}(?:-\d+)*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Taxonomy:
    """Categories by row: `ids` as the marketplace says them, `paths` from the root."""

    name: str
    version: str  # of the content
    ids: Sequence[str]
    paths: Sequence[tuple[str, ...]]
    google: Sequence[str] = ()  # Google's number of each, or ""
    aliases: Mapping[int, Sequence[str]] = field(default_factory=dict)
    words: Words | None = None  # those of English where it says nothing

    def full(self, row: int) -> str:
        return _SEPARATOR.join(self.paths[row])

    @cached_property
    def index(self) -> Index:
        """Made when the first product is ranked."""
        return Index(self.paths, self.aliases, self.words or shipped_words())

    @cached_property
    def english(self) -> bool:
        """Whether the names are in English: most of their words are in Shopify's English names too. Of Google's English names
        99 of 100 words are, of Shopify's German ones 10."""
        if self.paths is shopify().paths:
            return True
        found = {word for path in self.paths for name in path for word in words(name) if not word.isdigit()}
        return 2 * sum(shopify().index.knows(word) for word in found) > len(found)

    @cached_property
    def is_google(self) -> bool:
        """Whether the ids are Google's numbers: most are known as such, and their names say what Shopify's do, or they are too
        many for chance (of a file in another language). Other marketplaces count their categories too."""
        known = _google_words()
        shared = [row for row, key in enumerate(self.ids) if key in known]
        alike = sum(not known[self.ids[row]].isdisjoint(map(stem, words(self.paths[row][-1]))) for row in shared)
        return 2 * len(shared) > len(self.ids) and (2 * alike > len(shared) or len(shared) > _NO_CHANCE)

    @cached_property
    def by_id(self) -> Mapping[str, int]:
        return {key: row for row, key in enumerate(self.ids)}

    @cached_property
    def _by_path(self) -> Mapping[str, int]:
        return {self.full(row).casefold(): row for row in range(len(self.paths))}

    def find(self, text: str | None) -> int | None:
        """The row of a category that a product already has: its id, Shopify's gid, or its full name, as old as they may be
        (a category that is gone is found by its parent)."""
        if not text:
            return None
        gid = _GID.fullmatch(text.strip())
        key = gid.group(1) if gid else text.strip()
        while key:
            if key in self.by_id:
                return self.by_id[key]
            if not gid:
                break
            key = key.rpartition("-")[0]
        return self._by_path.get(re.sub(r"\s*>\s*", _SEPARATOR, text.strip()).casefold())


@lru_cache
def shipped_words() -> Words:
    data = _yaml("words.yaml")
    return Words(frozenset(data["plain"]), {tuple(path.split(_SEPARATOR)): share for path, share in data["rare"].items()})


@lru_cache
def _google_words() -> dict[str, set[str]]:
    """Google's numbers, and the stemmed words of Shopify's categories that they are of."""
    found: dict[str, set[str]] = {}
    for path, number in zip(shopify().paths, shopify().google, strict=True):
        if number:
            found.setdefault(number, set()).update(stem(word) for name in path for word in words(name))
    return found


@lru_cache
def shopify() -> Taxonomy:
    """Shopify's product taxonomy."""
    text = (_FOLDER / "shopify.tsv").read_text(encoding="utf-8")
    names: dict[str, tuple[str, ...]] = {}
    google = []
    for line in text.splitlines():
        if line.startswith(("#", "id\t")):
            continue
        key, name, number = line.split("\t")
        names[key] = (*names.get(key.rpartition("-")[0], ()), name)
        google.append(number)
    rows = {_SEPARATOR.join(path): row for row, path in enumerate(names.values())}
    aliases = {rows[path]: tuple(found) for path, found in _yaml("aliases.yaml").items()}
    version = sha256((text + str(sorted(aliases.items())) + str(_yaml("words.yaml"))).encode()).hexdigest()
    return Taxonomy("Shopify's taxonomy", version, list(names), list(names.values()), google, aliases)


def read_taxonomy(path: Path, named_by: str = "the connection's setting category_file") -> Taxonomy:
    """A marketplace's categories from an operator's file. Raises UsageError where there is none, BadInputError that says the line
    and what is wrong with it."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise BadInputError(f"the category file {path} has {size} bytes, more than {MOST_BYTES}; is it the right file?")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the category file {path} cannot be read: {error.strerror or error}; name another with {named_by}"
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadInputError(f"the category file {path} is not UTF-8 text (line {line}); save it as UTF-8") from None
    version = sha256(content).hexdigest()
    ids: dict[str, int] = {}
    paths = []
    for line, key, name in _rows(path, text):
        parts = tuple(part.strip() for part in name.split(">"))
        problem = path_problem(key, name, parts)
        if problem is None and key in ids:
            problem = f"the id {key} is in line {ids[key]} already"
        if problem is None and len(ids) >= MOST_ROWS:
            problem = f"more than {MOST_ROWS} categories; leave out what is not sold"
        if problem is not None:
            raise BadInputError(f"the category file {path} cannot be used: line {line}: {problem}; correct it")
        ids[key] = line
        paths.append(parts)
    if not ids:
        raise BadInputError(f"the category file {path} has no categories; it needs lines with an id and a name")
    return Taxonomy(path.name, version, list(ids), paths)


def path_problem(key: str, name: str, parts: Sequence[str]) -> str | None:
    """What is wrong with a category of a file, if anything."""
    if not key or len(key) > MOST_ID:
        return f"the id must have 1 to {MOST_ID} characters"
    if _CONTROL.search(key + name):
        return "there are control characters in it"
    if len(name) > MOST_NAME or len(parts) > MOST_LEVELS:
        return f"the name has more than {MOST_NAME} characters or {MOST_LEVELS} levels"
    return None if all(parts) else "the name, or a part of it, is empty"


def _rows(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """(line, id, name) of each category."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if lines and _NUMBERED.fullmatch(lines[0][1].strip()):
        for number, line in lines:
            found = _NUMBERED.fullmatch(line.strip())
            if found is None:
                raise BadInputError(
                    f'the category file {path} cannot be used: line {number} is not like "3237 - A > B"; correct it'
                )
            yield number, found.group(1), found.group(2)
        return
    yield from _table(path, lines)


def _table(path: Path, lines: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    if not lines:
        return
    header = lines[0][1]
    separator = "\t" if "\t" in header else ","
    columns = [column.strip().lower() for column in header.split(separator)]
    at = [next((columns.index(name) for name in names if name in columns), None) for names in (_IDS, _NAMES)]
    key_at, name_at = at
    if key_at is None or name_at is None:
        raise BadInputError(
            f"the category file {path} cannot be used: its first line must name the columns, among them id and name "
            "(tab- or comma-separated)"
        )
    for number, line in lines[1:]:
        fields = _fields(line, separator)
        if fields is None or len(fields) <= max(key_at, name_at):
            raise BadInputError(f"the category file {path} cannot be used: line {number}: it has no id and name; correct it")
        yield number, fields[key_at].strip(), fields[name_at].strip()


def _fields(line: str, separator: str) -> list[str] | None:
    if separator == "\t":
        return line.split("\t")
    try:
        return next(csv.reader([line], strict=True), None)
    except csv.Error:
        return None


def _yaml(name: str) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Any] = yaml.load((_FOLDER / name).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    return found
