"""The source `shopify-file`: a product export (CSV) or the result of a bulk products query (JSON Lines), plain or gzip.

What a file is, its content says, never its name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.catalog.builder import Builder
from pipeline.catalog.jsonl_lines import Lines
from pipeline.catalog.shopify_csv import csv_batches
from pipeline.catalog.shopify_jsonl import Assembler, Collections
from pipeline.catalog.shopify_scattered import Regrouped
from pipeline.catalog.source import CatalogBatch, FetchJob, RawFile, RawImport, Source, copy_raw
from pipeline.model.errors import BadInputError

_HELP = "give a product export (CSV) from Shopify's admin or the JSON Lines of a bulk products query"
#: First bytes of what people give by mistake.
_MISTAKES = (
    (b"PK\x03\x04", "is an Excel workbook or a zip archive: save the sheet as CSV UTF-8 and import that"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook: save the sheet as CSV UTF-8 and import that"),
    (b"%PDF", f"is a PDF: {_HELP}"),
    (b"<", f"is HTML or XML, perhaps a saved error page: {_HELP}"),
    (b"[", f"is one JSON array, not one JSON record a line: {_HELP}"),
)


class ShopifyFile(Source):
    """A catalog file on disk; `collections_path` is a bulk result of the collections query, if there is one."""

    name = "shopify-file"

    def __init__(self, path: Path, collections_path: Path | None = None) -> None:
        self.path = path
        self.collections_path = collections_path

    def fetch(self, folder: Path, job: FetchJob | None = None) -> RawImport:
        files = [copy_raw(self.path, folder, "products")]
        if self.collections_path is not None:
            files.append(copy_raw(self.collections_path, folder, "collections"))
        return RawImport(tuple(files))

    def batches(self, raw: RawImport, *, currency: str, scattered: bool = False) -> Iterator[CatalogBatch]:
        collections, builder = Collections(), Builder(currency)
        if len(raw.files) > 1:
            read_collections(raw.files[1], builder, collections)
        if _is_jsonl(raw.files[0]):
            return jsonl_batches(raw.files[0], builder, collections, scattered=scattered)
        return csv_batches(raw.files[0], builder, collections, scattered=scattered)


def jsonl_batches(raw: RawFile, builder: Builder, collections: Collections, *, scattered: bool) -> Iterator[CatalogBatch]:
    """Batches of bulk JSON Lines; the last one has the collections."""
    lines = Lines(raw)
    with tempfile.TemporaryDirectory(dir=raw.path.parent) as folder:
        ordered = Regrouped(lines, Path(folder), raw.name) if scattered else lines
        assembler = Assembler(builder, collections, ordered, raw.name, scattered=scattered)
        yield from assembler.run(ordered)
    assembler.flush()
    builder.counts["lines"] += lines.total
    yield builder.take(1.0, collections.rows())


def read_collections(raw: RawFile, builder: Builder, collections: Collections) -> None:
    """A file of nothing but collections and their members."""
    if not _is_jsonl(raw):
        raise BadInputError(f"{raw.name} is not JSON Lines: give the result of the bulk collections query")
    lines = Lines(raw)
    for _ in Assembler(builder, collections, lines, raw.name, scattered=True).run(lines):
        break
    if builder.counts["product_lines"]:
        raise BadInputError(f"{raw.name} holds products: give the result of the bulk collections query")
    builder.counts["lines"] += lines.total


def _is_jsonl(raw: RawFile) -> bool:
    with raw.open() as stream:
        start = bytes(stream.read(4096))
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start[2:].replace(b"\0", b"")
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start and raw.bytes <= 4096:
        raise BadInputError(f"{raw.name} holds nothing but blanks: export the products again")
    for sign, meaning in _MISTAKES:
        if start.startswith(sign):
            raise BadInputError(f"{raw.name} {meaning}")
    return start.startswith(b"{")
