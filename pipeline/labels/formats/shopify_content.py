"""Theme texts as a live Shopify store gave them: a snapshot in JSON with keys and digests, written by `labels/shopify.py`.

Written back it is a list of what `translationsRegister` takes: resource, key, value, locale, and the digest of the source text.
"""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.labels.formats.plurals import plural_groups
from pipeline.labels.formats.source import excerpt, shown_key, unfit
from pipeline.labels.model import Label, RejectedLabel, Texts
from pipeline.model.errors import BadInputError


class ShopifyContent:
    """A key is `<number of the theme's resource>/<Shopify's key>`; the line is the place in the snapshot's list of texts."""

    def __init__(self, content: bytes, name: str) -> None:
        self._content = content
        self.rejected: list[RejectedLabel] = []
        self._rows: dict[str, dict[str, Any]] = {}
        try:
            resources = orjson.loads(content)["resources"]
            places = [(resource["resourceId"], text) for resource in resources for text in resource["translatableContent"]]
            for line, (resource_id, text) in enumerate(places, 1):
                self._take(line, str(resource_id), text)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise BadInputError(f"{name} is no snapshot of a store's theme texts; read them again") from None
        self._groups = plural_groups(list(self._rows))
        self.labels = [self._label(key, row) for key, row in self._rows.items()]

    def _take(self, line: int, resource_id: str, text: dict[str, Any]) -> None:
        key, value, digest = f"{resource_id.rpartition('/')[2]}/{text['key']}", text["value"], text["digest"]
        if not isinstance(value, str) or not isinstance(digest, str):
            problem: str | None = "Shopify gives no text or no digest for it"
        elif (problem := unfit(key, value)) is None and key in self._rows:
            problem = "Shopify gives its key twice"
        if problem:
            self.rejected.append(RejectedLabel(shown_key(key), line, problem, excerpt(str(value or ""))))
        else:
            self._rows[key] = {**text, "resource_id": resource_id, "line": line}

    def _label(self, key: str, row: dict[str, Any]) -> Label:
        group = self._groups.get(key)
        return Label(
            group.key if group else key, group.form_of(key) if group else None, row["value"], row["line"], digest=row["digest"]
        )

    def render(self, texts: Texts, locale: str) -> bytes:
        """Plural forms that the source lacks have no digest of their own, so they cannot be registered and are left out."""
        if not texts:
            return self._content
        rows = [
            {
                "resourceId": row["resource_id"],
                "key": row["key"],
                "value": text,
                "locale": locale,
                "translatableContentDigest": row["digest"],
            }
            for label, row in zip(self.labels, self._rows.values(), strict=True)
            if (text := texts.get((label.key, label.form))) is not None
        ]
        return orjson.dumps({"translations": rows}, option=orjson.OPT_INDENT_2)
