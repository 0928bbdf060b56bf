"""Translation memories as TMX 1.4 files: what translators' tools exchange. Reading takes nothing from outside the file.

Plural forms have no place in TMX, so only texts with one form are written. Inline codes (`<ph>`, `<bpt>`, `<hi>` ...) are read as
the text in them, which is what they stand for in the source's own format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pipeline.model.errors import BadInputError, UsageError

MAX_BYTES = 64 << 20
MAX_TEXT = 50_000
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True)
class Unit:
    """One `<tu>`: language -> text, and the 1-based line that it begins in."""

    line: int
    texts: dict[str, str]


@dataclass(frozen=True)
class Bad:
    """A `<tu>` that gave nothing, and why."""

    line: int
    reason: str


def read_tmx(content: bytes, name: str) -> Iterator[Unit | Bad]:
    """The units of a file, in order. Raises BadInputError for what is no TMX file, also in its middle."""
    from lxml import etree

    if len(content) > MAX_BYTES:
        raise BadInputError(f"{name} has {len(content):,} bytes; memories may have {MAX_BYTES:,}: split it")
    safe = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "remove_comments": True}
    found = etree.iterparse(BytesIO(content), events=("start", "end"), **safe)
    root = None
    try:
        for event, element in found:
            if root is None:
                root = element
                if etree.QName(element).localname != "tmx":
                    raise BadInputError(f"{name} is no TMX file: it begins with <{etree.QName(element).localname}>")
            if event == "end" and etree.QName(element).localname == "tu":
                yield _unit(element)
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise BadInputError(f"{name} cannot be read as TMX: {' '.join(str(error).split())[:200]}") from None
    if root is None:
        raise BadInputError(f"{name} is empty")


def _unit(element: Any) -> Unit | Bad:
    from lxml import etree

    from pipeline.language.languages import normalize_tag

    line, texts = int(element.sourceline or 0), dict[str, str]()
    if any(node.tag is etree.Entity for node in element.iter()):
        return Bad(line, "it has an entity of its own, which is not resolved")
    for variant in element.iterchildren("{*}tuv"):
        spoken, segment = variant.get(_LANG) or variant.get("lang"), variant.find("{*}seg")
        if spoken is None or segment is None:
            return Bad(line, "a text has no language or no <seg>")
        try:
            locale = normalize_tag(spoken)
        except UsageError as error:
            return Bad(line, str(error))
        text = "".join(segment.itertext())
        if len(text) > MAX_TEXT:
            return Bad(line, f"a text has more than {MAX_TEXT:,} characters")
        texts.setdefault(locale, text)
    return Unit(line, texts) if len(texts) > 1 else Bad(line, "it has no texts in two languages")


def write_tmx(source_locale: str, target_locale: str, pairs: Iterable[tuple[str, str]]) -> bytes:
    """A file of (source, target) texts."""
    from lxml import etree

    root = etree.Element("tmx", version="1.4")
    etree.SubElement(
        root,
        "header",
        {
            "creationtool": "pipeline", "creationtoolversion": "1", "segtype": "block", "o-tmf": "pipeline",
            "adminlang": "en", "srclang": source_locale, "datatype": "plaintext",
        },
    )  # fmt: skip
    body = etree.SubElement(root, "body")
    for pair in pairs:
        unit = etree.SubElement(body, "tu")
        for locale, text in zip((source_locale, target_locale), pair, strict=True):
            variant = etree.SubElement(unit, "tuv", {_LANG: locale})
            etree.SubElement(variant, "seg").text = text
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)
