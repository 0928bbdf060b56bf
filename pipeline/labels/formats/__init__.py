"""Label files in their formats, all behind `read`: bytes in, labels and rejected labels out, and the way back (`render`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING

from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from pipeline.labels.model import LabelFile

FORMATS = {".json": "json", ".csv": "csv", ".tsv": "csv", ".po": "po", ".pot": "po", ".shopify": "shopify"}


def format_of(name: str) -> str:
    """The format by the name's end; raises UsageError for an unknown one."""
    found = FORMATS.get(PurePath(name).suffix.lower())
    if found is None:
        raise UsageError(f"{name[:100]!r} is no label file: known are {', '.join(FORMATS)}")
    return found


def read(content: bytes, name: str, locale: str) -> LabelFile:
    """The file, whose texts are in `locale`. Raises BadInputError with the line where it is not what its name says."""
    from pipeline.labels.formats.csv_file import CsvFile
    from pipeline.labels.formats.json_file import JsonFile
    from pipeline.labels.formats.po_file import PoFile
    from pipeline.labels.formats.shopify_content import ShopifyContent
    from pipeline.labels.formats.source import SourceText

    if format_of(name) == "shopify":
        return ShopifyContent(content, name)
    kinds: dict[str, Callable[[SourceText, str], LabelFile]] = {"json": JsonFile, "csv": CsvFile, "po": PoFile}
    return kinds[format_of(name)](SourceText(content, name), locale)
