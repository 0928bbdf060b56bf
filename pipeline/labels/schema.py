"""The tables of the labels stage."""

from __future__ import annotations

import pyarrow as pa

_TEXTS = pa.list_(pa.string())

#: One row a text that people read. A label with plural forms has one row a form.
UI_LABELS = pa.schema(
    [
        ("resource", pa.string()),  # which file or, of a live store, which of its resources
        ("key", pa.string()),
        ("form", pa.string()),  # plural category; null for a label with one text
        ("source_locale", pa.string()),
        ("text", pa.string()),
        ("digest", pa.string()),  # of the text: SHA-256, or what a live store says; a translation belongs to one digest
        ("kind", pa.string()),  # text | html | icu | none (nothing to translate)
        ("placeholders", _TEXTS),
        ("max_length", pa.int64()),
        ("line", pa.int64()),  # of the file; null for a live store
    ]
)

#: What could not become a label, each with the reason; nothing is dropped silently.
REJECTED_LABELS = pa.schema(
    [
        ("resource", pa.string()),
        ("locale", pa.string()),
        ("file", pa.string()),
        ("key", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("excerpt", pa.string()),
    ]
)

#: One row a text and language, also where there is no translation. Plural forms: the target language's and the source's.
TRANSLATED_LABELS = pa.schema(
    [
        ("resource", pa.string()),
        ("key", pa.string()),
        ("form", pa.string()),
        ("source_locale", pa.string()),
        ("locale", pa.string()),
        ("digest", pa.string()),  # of the source text that it is a translation of
        ("source", pa.string()),
        ("text", pa.string()),  # null while untranslated: readers fall back to the source
        ("state", pa.string()),  # translated | copied (nothing to translate) | untranslated
        ("engine", pa.string()),  # human | glossary | copy | model:<name> | rules | none
        ("problems", _TEXTS),  # why it is untranslated
    ]
)

#: One row a translated text of a live theme, and what became of it in the shop.
PUBLISHED_LABELS = pa.schema(
    [
        ("resource_id", pa.string()),  # of the shop
        ("key", pa.string()),  # of the shop, plural forms included
        ("locale", pa.string()),
        ("digest", pa.string()),  # of the source text
        ("value", pa.string()),
        ("state", pa.string()),  # see publishing.STATES
        ("reason", pa.string()),
    ]
)

READ = {"ui_labels": UI_LABELS, "rejected_labels": REJECTED_LABELS}
SCHEMAS = {**READ, "translated_labels": TRANSLATED_LABELS, "published_labels": PUBLISHED_LABELS}
