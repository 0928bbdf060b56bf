"""Shopify's taxonomy with names in another language, from files that operators have: products are ranked by these, and the ids,
the English names and Google's numbers stay those of the shipped release.

The files are those of Shopify's repository product-taxonomy, `dist/<language>/categories.txt`; none is shipped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pipeline.language.languages import base, language_name, normalize_tag
from pipeline.listings.categories.index import Words
from pipeline.listings.categories.taxonomy import MOST_BYTES, Taxonomy, path_problem, shipped_words, shopify
from pipeline.model.errors import BadInputError
from pipeline.quality.words import small_words

_LINE = re.compile(r"gid://shopify/TaxonomyCategory/([a-z]{2}(?:-\d+)*)\s*:\s*(.+)")


def shopify_in(language: str, folder: Path | None) -> Taxonomy:
    """Shopify's taxonomy in the language of a store, in English where `folder` (the repository's `dist`) has no file of it.

    Raises BadInputError for a folder or file that cannot be used."""
    if folder is None or base(language) == "en":
        return shopify()
    if not folder.is_dir():
        raise BadInputError(f"SHOPIFY_TAXONOMY_DIR names {folder}, which is no folder; name `dist` of Shopify's product-taxonomy")
    files = (folder / tag / "categories.txt" for tag in dict.fromkeys((normalize_tag(language), base(language))))
    path = next((file for file in files if file.is_file()), None)
    return shopify() if path is None else _read(path, language)


def _read(path: Path, language: str) -> Taxonomy:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInputError(f"{path} has more than {MOST_BYTES:,} bytes; is it the right file?")
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}; correct SHOPIFY_TAXONOMY_DIR, or unset it") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{path} is not UTF-8 text; take the file from Shopify's repository again") from None
    english = shopify()
    paths = list(english.paths)
    known = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        parts = tuple(part.strip() for part in found[2].split(">")) if found else ()
        problem = (
            path_problem(found[1], found[2], parts) if found else "it is not like: gid://shopify/TaxonomyCategory/aa-1 : A > B"
        )
        if found is None or problem is not None:
            raise BadInputError(f"{path} cannot be used: line {number}: {problem}; take the file from Shopify's repository again")
        row = english.by_id.get(found[1])
        if row is not None:  # another release has a few others
            paths[row], known = parts, known + 1
    if known == 0:
        raise BadInputError(f"{path} has no category of Shopify's taxonomy; take the file from Shopify's repository again")
    return replace(
        english,
        name=f"Shopify's taxonomy in {language_name(language)}",
        version=sha256(content + english.version.encode()).hexdigest(),
        paths=paths,
        aliases={},
        words=_words(language, paths),
    )


def _words(language: str, paths: list[tuple[str, ...]]) -> Words:
    """What English names say of words and branches, for these."""
    english, shipped = shopify(), shipped_words()
    rare = {tuple(names): share for names, share in shipped.rare.items()}
    rows = {names: row for row, names in enumerate(english.paths) if names in rare}
    shares = {paths[row]: rare[names] for names, row in rows.items()}
    return Words(shipped.plain | small_words(base(language)), shares, last=False)
