"""Translated labels into a live Shopify store: what the shop has now is read first, and only what differs is registered.

The digests are those that the shop says right before. A text that changed there since it was imported is not published, and
words that people wrote in the shop stay. Every answer is recorded, so a killed run is simply run again.
Facts: shopify.dev, `translationsRegister`, `TranslationErrorCode`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from uuid import UUID

import orjson
import psycopg

from pipeline.catalog.shopify_api.client import Shop
from pipeline.labels.files import StoredFile, list_files, open_file
from pipeline.labels.shopify import FILE_NAME
from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.http import ApiError, redact
from pipeline.platform.tables import Table
from pipeline.settings import Settings
from pipeline.stores.stores import Store

#: Most translations in one call; a shop that takes fewer says TOO_MANY_KEYS_FOR_RESOURCE, and then they are halved.
MAX_KEYS = 100
#: Permissions beside those of the import; one to write grants that to read.
SCOPES = ("read_translations", "write_translations", "read_locales")
_PAGE = 5

SHOP_LOCALES = """query ShopLocales {
  shopLocales { locale primary published }
  currentAppInstallation { accessScopes { handle } }
}"""
PRESENT = f"""query PresentTranslations($ids: [ID!]!, $locale: String!) {{
  translatableResourcesByIds(resourceIds: $ids, first: {_PAGE}) {{
    nodes {{
      resourceId
      translatableContent {{ key digest }}
      translations(locale: $locale) {{ key value outdated }}
    }}
  }}
}}"""
REGISTER = """mutation RegisterTranslations($id: ID!, $translations: [TranslationInput!]!) {
  translationsRegister(resourceId: $id, translations: $translations) {
    translations { key locale }
    userErrors { code field message }
  }
}"""

#: Done with everything, done with how many of them: called after each step.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Row:
    """One text and what became of it; `state` is one of `STATES`, `reason` is empty where there is nothing to say."""

    resource_id: str
    key: str
    locale: str
    digest: str
    value: str
    state: str = "open"
    reason: str = ""

    def ended(self, state: str, reason: str = "") -> Row:
        return replace(self, state=state, reason=reason)


STATES = {
    "published": "the shop has it now",
    "unchanged": "the shop had it already",
    "planned": "it would be published (dry run)",
    "stale": "its source text changed in the shop",
    "kept": "people in the shop wrote something else",
    "no locale": "the shop does not have the language",
    "refused": "the shop refused it",
}


@dataclass(frozen=True)
class Publisher:
    """Publishes for one store. `connection` is in autocommit mode. `overwrite`: also over words of people in the shop."""

    connection: psycopg.Connection[Any]
    store_id: UUID
    shop: Shop
    run_id: str
    overwrite: bool = False
    dry_run: bool = False

    def publish(self, rows: Sequence[Row], progress: Progress) -> list[Row]:
        """Every row with its end, in order of locale and resource. Raises PipelineError when the app lacks a permission."""
        enabled = self._locales()
        ended: list[Row] = []
        ordered = sorted(rows, key=lambda row: (row.locale, row.resource_id))
        for locale, mine in groupby(ordered, key=lambda row: row.locale):
            texts = list(mine)
            known = enabled.get(locale.casefold())
            if known is None:
                why = f"the shop does not have the language {locale}; add it in Shopify (Settings, Languages) and publish again"
                ended += [row.ended("no locale", why) for row in texts]
                progress(len(ended), len(rows))
                continue
            for part in self._pages(texts):
                for row in self._resources(part, known):
                    ended.append(row)
                progress(len(ended), len(rows))
        return ended

    def _locales(self) -> dict[str, str]:
        """The shop's languages: folded -> as the shop writes them."""
        try:
            found = self.shop.ask(SHOP_LOCALES)
        except ApiError as error:
            if error.code == "ACCESS_DENIED":
                raise PipelineError(_lacks(["read_locales"], self.shop.domain)) from None
            raise
        missing = missing_scopes(found)
        if missing:
            raise PipelineError(_lacks(missing, self.shop.domain))
        return {each["locale"].casefold(): each["locale"] for each in found["shopLocales"] if not each["primary"]}

    def _pages(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Rows of a few resources at a time."""
        page: list[Row] = []
        ids: set[str] = set()
        for row in rows:
            if row.resource_id not in ids and len(ids) == _PAGE:
                yield page
                page, ids = [], set()
            ids.add(row.resource_id)
            page.append(row)
        if page:
            yield page

    def _resources(self, rows: Sequence[Row], locale: str) -> Iterator[Row]:
        ids = list(dict.fromkeys(row.resource_id for row in rows))
        nodes = self.shop.ask(PRESENT, {"ids": ids, "locale": locale})["translatableResourcesByIds"]["nodes"]
        present = {node["resourceId"]: node for node in nodes}
        ours = self._given(ids, rows[0].locale)
        for resource_id, mine in groupby(rows, key=lambda row: row.resource_id):
            judged = [_judge(row, present.get(resource_id), ours.get((resource_id, row.key), ()), self.overwrite) for row in mine]
            yield from (row for row in judged if row.state != "open")
            left = [row for row in judged if row.state == "open"]
            if self.dry_run:
                yield from (row.ended("planned") for row in left)
                continue
            self._note([row for row in judged if row.state == "unchanged"], "value")
            for start in range(0, len(left), MAX_KEYS):
                yield from self._register(left[start : start + MAX_KEYS], locale)

    def _register(self, rows: list[Row], locale: str) -> Iterator[Row]:
        """One call. What the shop says nothing of is asked again, in halves where nothing at all went well."""
        self._note(rows, "sending")
        given = [{"key": row.key, "value": row.value, "locale": locale, "translatableContentDigest": row.digest} for row in rows]
        found = self.shop.ask(REGISTER, {"id": rows[0].resource_id, "translations": given})["translationsRegister"]
        taken = {each["key"] for each in found["translations"] or ()}
        blamed, general = _blame(found["userErrors"], len(rows))
        done = [row for index, row in enumerate(rows) if row.key in taken and index not in blamed]
        self._note(done, "value")
        yield from (row.ended("published") for row in done)
        rest = []
        for index, row in enumerate(rows):
            if index in blamed:
                yield _refused(row, blamed[index])
            elif row.key not in taken:
                rest.append(row)
        if rest and len(rest) < len(rows):
            yield from self._register(rest, locale)
        elif len(rest) == 1:
            yield _refused(rest[0], general or {"message": "the shop did not say why"})
        elif rest:
            middle = (len(rest) + 1) // 2
            yield from self._register(rest[:middle], locale)
            yield from self._register(rest[middle:], locale)

    def _given(self, ids: Sequence[str], locale: str) -> dict[tuple[str, str], tuple[str | None, ...]]:
        """What the shop was given before: (resource, key) -> acknowledged, and on its way when a run died."""
        rows = self.connection.execute(
            "SELECT resource_id, key, value, sending FROM published_labels WHERE store_id = %s AND locale = %s"
            " AND resource_id = ANY(%s)",
            (self.store_id, locale, list(ids)),
        )
        return {(resource_id, key): (value, sending) for resource_id, key, value, sending in rows}

    def _note(self, rows: Sequence[Row], what: str) -> None:
        """`sending` before a call, `value` after the shop has it."""
        if not rows or self.dry_run:
            return
        columns = ([getattr(row, name) for row in rows] for name in ("resource_id", "key", "locale", "digest", "value"))
        new = "value, published_at" if what == "value" else "sending"
        take = "text, clock_timestamp()" if what == "value" else "text"
        change = (
            "value = excluded.value, published_at = excluded.published_at, sending = NULL"
            if what == "value"
            else "sending = excluded.sending"
        )
        same = " WHERE old.value IS DISTINCT FROM excluded.value OR old.digest <> excluded.digest OR old.sending IS NOT NULL"
        self.connection.execute(
            f"INSERT INTO published_labels AS old (store_id, run_id, resource_id, key, locale, digest, {new})"  # noqa: S608
            f" SELECT %s, %s, resource_id, key, locale, digest, {take}"
            " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])"
            " AS given (resource_id, key, locale, digest, text) ON CONFLICT (store_id, resource_id, key, locale) DO UPDATE"
            f" SET digest = excluded.digest, run_id = excluded.run_id, {change}{same if what == 'value' else ''}",
            (self.store_id, self.run_id, *columns),
        )


def theme_file(connection: psycopg.Connection[Any], store: Store) -> StoredFile:
    """The labels of the store's live theme. Raises UsageError where it has none."""
    stored = next((file for file in list_files(connection, store.id) if file.is_source and file.name == FILE_NAME), None)
    if store.source != "shopify" or stored is None:
        raise UsageError(
            f"{store.key} has no labels of a live Shopify store to publish: read them with pipeline labels import {store.key}; "
            f"translations of files are written with: pipeline labels export {store.key}"
        )
    return stored


def rows_to_publish(
    connection: psycopg.Connection[Any], settings: Settings, store: Store, translated: Table, locales: Sequence[str]
) -> tuple[list[Row], Counter[str]]:
    """The translated texts of the store's live theme in these languages (empty: all), and how many are left out by reason.

    Raises UsageError for a store without labels of a live theme."""
    stored = theme_file(connection, store)
    file, left = open_file(settings, stored), Counter[str]()
    present = {(label.key, label.version) for label in file.labels}
    texts: dict[str, dict[tuple[str, str | None], str]] = {}
    for row in translated.arrow(["resource", "key", "form", "locale", "digest", "text", "state"]).to_pylist():
        if row["resource"] != stored.resource or (locales and row["locale"] not in locales):
            continue
        if row["state"] != "translated":
            left[row["state"]] += 1
        elif (row["key"], row["digest"]) not in present:
            left["of an older text"] += 1
        else:
            texts.setdefault(row["locale"], {})[row["key"], row["form"]] = row["text"]
    rows = [
        Row(each["resourceId"], each["key"], locale, each["translatableContentDigest"], each["value"])
        for locale, mine in texts.items()
        for each in orjson.loads(file.render(mine, locale))["translations"]
    ]
    left["without a place in the shop"] = sum(map(len, texts.values())) - len(rows)  # plural forms that the source lacks
    return rows, +left


def missing_scopes(found: Mapping[str, Any]) -> list[str]:
    """Of an answer with `currentAppInstallation`."""
    granted = {scope["handle"] for scope in found["currentAppInstallation"]["accessScopes"]}
    return [name for name in SCOPES if not {name, name.replace("read_", "write_")} & granted]


def publishing_problems(shop: Shop) -> list[str]:
    """Why labels could not be published, empty when they can. Never raises for a shop that refuses."""
    try:
        found = shop.ask("query Scopes { currentAppInstallation { accessScopes { handle } } }")
    except ApiError as error:
        return [str(error)]
    missing = missing_scopes(found)
    return [_lacks(missing, shop.domain)] if missing else []


def _lacks(scopes: Sequence[str], domain: str) -> str:
    return (
        f"labels cannot be published: the app of {domain} lacks {', '.join(scopes)}; "
        "add it in the Dev Dashboard and install the new version in the shop"
    )


def _judge(row: Row, resource: Mapping[str, Any] | None, ours: Sequence[str | None], overwrite: bool) -> Row:
    """Whether a text must be registered: `open`, else why not."""
    again = "read the texts again: pipeline labels import STORE, then translate and publish"
    content = {each["key"]: each["digest"] for each in resource["translatableContent"]} if resource else {}
    if row.key not in content:
        return row.ended("stale", f"the shop does not have this text any more; {again}")
    if content[row.key] != row.digest:
        return row.ended("stale", f"the text changed in the shop since it was read; {again}")
    there = next((each for each in resource["translations"] if each["key"] == row.key), None) if resource else None
    if there is None or there["value"] is None:
        return row
    if there["value"] == row.value and not there["outdated"]:
        return row.ended("unchanged")
    if overwrite or there["outdated"] or there["value"] in ours:
        return row
    return row.ended("kept", "people in the shop wrote something else; publish with --overwrite to replace it")


def _blame(errors: Sequence[Mapping[str, Any]], size: int) -> tuple[dict[int, Mapping[str, Any]], Mapping[str, Any] | None]:
    """userErrors by the index of their translation, and one that is about none of them."""
    blamed: dict[int, Mapping[str, Any]] = {}
    general = None
    for error in errors:
        number = next((int(part) for part in error["field"] or () if re.fullmatch(r"\d{1,6}", part)), None)
        if number is not None and number < size and error["code"] != "TOO_MANY_KEYS_FOR_RESOURCE":
            blamed.setdefault(number, error)
        else:
            general = general or error
    return blamed, general


def _refused(row: Row, error: Mapping[str, Any]) -> Row:
    said = f"Shopify: {redact(str(error['message']))[:200]}{f' ({code})' if (code := error.get('code')) else ''}"
    if code == "INVALID_TRANSLATABLE_CONTENT":
        return row.ended("stale", "the text changed in the shop while it was being published; read the texts again and publish")
    return row.ended("refused", said)
