"""Writing the five files: Product, Inventory, Price, ProductImage and Relationship, each message as soon as it is made.

What the format cannot say is noted, SKU by SKU; nothing is cut or left out without a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from lxml import etree

from pipeline.marketplaces.amazon.legacy.messages import Notes, image_messages, inventory, limits, price, product, relationship
from pipeline.marketplaces.legacy import NOTES, LegacyFile, LegacyFiles
from pipeline.model.listing import Account, Site

KINDS = ("Product", "Inventory", "Price", "ProductImage", "Relationship")
_LABEL = (
    " legacy_xml: Amazon has refused XML feeds since 2025-07-31. This file is for archives and other programs; nothing sends it. "
)
_README = """legacy_xml: listings as AmazonEnvelope XML

Amazon has refused these feeds since 2025-07-31. Nothing sends these files, and uploading them does nothing;
listings are sent as JSON. They hold all ready listings, as they were when the files were written.

notes.csv says of each SKU what the format cannot say. Product messages have no ProductData (category, variation theme):
today's product types have no counterpart there. Families are in Relationship.xml.
"""
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


class _File:
    """One envelope. A message that is added is on disk; the file exists only if it has one."""

    def __init__(self, path: Path, kind: str, merchant: str) -> None:
        self.path, self.kind, self.merchant, self.messages = path, kind, merchant, 0
        self._stack = ExitStack()
        self._xml: Any = None

    def add(self, body: etree._Element) -> None:
        if self._xml is None:
            self._open()
        self.messages += 1
        message = etree.Element("Message")
        etree.SubElement(message, "MessageID").text = str(self.messages)
        if self.kind != "Relationship":
            etree.SubElement(message, "OperationType").text = "Update"
        message.append(body)
        self._xml.write(message)

    def _open(self) -> None:
        self._xml = self._stack.enter_context(etree.xmlfile(str(self.path), encoding="utf-8"))
        self._xml.write_declaration()
        self._xml.write(etree.Comment(_LABEL))
        schema = {f"{{{_XSI}}}noNamespaceSchemaLocation": "amzn-envelope.xsd"}
        self._stack.enter_context(self._xml.element("AmazonEnvelope", schema, nsmap={"xsi": _XSI}))
        header = etree.Element("Header")
        etree.SubElement(header, "DocumentVersion").text = limits()["document_version"]
        etree.SubElement(header, "MerchantIdentifier").text = self.merchant
        kind = etree.Element("MessageType")
        kind.text = self.kind
        for element in (header, kind):
            self._xml.write(element)

    def close(self) -> None:
        self._stack.close()


def write(listings: Iterable[pa.Table], site: Site, account: Account, folder: Path) -> LegacyFiles:
    """Write the files of all ready listings, README.txt and notes.csv into `folder`; as `WritesLegacy.legacy_files`."""
    import pyarrow.csv

    notes = Notes()
    with _files(folder, account.seller_id) as files:
        for batch in listings:
            for rows in _products(batch):
                _product(rows, files, notes, site)
    table = pa.Table.from_pylist(notes.rows, schema=NOTES)
    pyarrow.csv.write_csv(table, folder / "notes.csv")
    (folder / "README.txt").write_text(_README, encoding="utf-8")
    return LegacyFiles([LegacyFile(one.kind, one.path, one.messages) for one in files.values() if one.messages], table)


@contextmanager
def _files(folder: Path, merchant: str) -> Iterator[dict[str, _File]]:
    folder.mkdir(parents=True, exist_ok=True)
    files = {kind: _File(folder / f"{kind}.xml", kind, merchant) for kind in KINDS}
    with ExitStack() as stack:
        for file in files.values():
            stack.callback(file.close)
        yield files


def _products(batch: pa.Table) -> Iterator[list[dict[str, Any]]]:
    """The rows of one product after the other."""
    rows: list[dict[str, Any]] = []
    for row in batch.to_pylist():
        if rows and row["product_id"] != rows[0]["product_id"]:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _product(rows: list[dict[str, Any]], files: dict[str, _File], notes: Notes, site: Site) -> None:
    children: dict[str, list[str]] = {}
    written = set()
    for row in rows:
        if row["status"] != "ready":
            notes.add(row["sku"], None, f"left out, it is blocked: {row['reason'] or ''}".strip())
            continue
        found = product(row, notes, site)
        if found is None:
            continue
        files["Product"].add(found)
        written.add(row["sku"])
        for kind, made in (("Inventory", inventory(row, notes)), ("Price", price(row, notes, site))):
            if made is not None:
                files[kind].add(made)
        for image in image_messages(row, notes):
            files["ProductImage"].add(image)
        if row["role"] == "child":
            children.setdefault(row["parent_sku"], []).append(row["sku"])
    for parent, skus in children.items():
        if parent in written:
            files["Relationship"].add(relationship(parent, skus))
        else:
            for sku in skus:
                notes.add(sku, "Relationship", "left out, its parent is in no file")
