"""Lists of a PIM as streams of records, by one or several threads, with progress; and the search filters that they take."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, tzinfo
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from pipeline.catalog.akeneo.client import AT_ONCE, PAGE, Client, Record
from pipeline.catalog.source import Progress
from pipeline.model.errors import PipelineError

PRODUCTS, MODELS = "products-uuid", "product-models"
Params = dict[str, str | int]
_T = TypeVar("_T")
#: Calls of a list of calls that are begun before the results of the first are taken.
_AHEAD = 8 * AT_ONCE


class Stopped(PipelineError):
    """Another thread of the fetch has failed, and says why."""


class Reader:
    """Reads until `stop` is set."""

    def __init__(self, client: Client, channel: str, progress: Progress = lambda share, message: None) -> None:
        self.client, self.channel = client, channel
        self.stop = threading.Event()
        self.expected = 0
        self._progress, self._read = progress, 0

    @property
    def scope(self) -> Params:
        """Only products in the channel's category tree, only its values; in all languages, to see what is not translated."""
        return {"scope": self.channel}

    @cached_property
    def slim(self) -> Params:
        """All values but those of one attribute are left out, which makes pages of products and models small."""
        items = next(self.client.pages("attributes", {"limit": 1}))
        return {"attributes": items[0]["code"]} if items else {}

    def small(self, path: str) -> Iterator[Record]:
        """The items of a list that describes products."""
        for page in self.client.pages(path):
            self._go_on()
            yield from page

    def large(self, path: str, params: Params) -> Iterator[Record]:
        """The items of products or models, with progress; for the thread that began the fetch."""
        for items, _ in self.walk(path, params, None):
            yield from items

    def walk(self, path: str, params: Params, start: str | None) -> Iterator[tuple[list[Record], str | None]]:
        """The same in pages, each with the address of the next one."""
        for items, following in self.client.walk(path, params, search_after=True, start=start):
            self._go_on()
            self.count_read(len(items))
            yield items, following

    def count_read(self, records: int) -> None:
        self._read += records
        self._progress(min(1.0, self._read / self.expected) if self.expected else 0.0, f"{self._read:,} records read")

    def quietly(self, path: str, params: Params) -> Iterator[Record]:
        """The same for any thread."""
        for page in self.client.pages(path, params, search_after=True):
            self._go_on()
            yield from page

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Stopped("the fetch was stopped")

    def count(self, params: Params) -> int:
        """How many products there are; 0 when the PIM does not tell."""
        page = self.client.get(PRODUCTS, {**params, "limit": 1, "with_count": "true"})
        found = page.get("items_count")
        return found if isinstance(found, int) else 0

    def of_each(self, paths: Iterable[tuple[str, str]], owner: str) -> Iterator[Record]:
        """Items of the lists that several codes have each: (code, path). They say whose they are, under the name `owner`."""
        pairs = list(paths)
        for (code, _), items in zip(pairs, self.at_once(lambda pair: list(self.small(pair[1])), pairs), strict=True):
            yield from ({owner: code, **item} for item in items)

    def at_once(self, call: Callable[[Any], Any], values: Sequence[Any]) -> Iterator[Any]:
        """Results in order, by as many threads as the PIM allows calls; only some are waiting in memory at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for some in in_chunks(values, _AHEAD):
                    yield from pool.map(call, some)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def some(self, path: str, name: str, values: Sequence[str], params: Params) -> Iterator[Record]:
        """Products or models whose property `name` is one of many values."""
        chunks = list(in_chunks(values, PAGE))
        for items in self.at_once(lambda chunk: list(self.quietly(path, {**params, **search(name, "IN", chunk)})), chunks):
            yield from items


def search(name: str, operator: str, value: Any) -> Params:
    return {"search": orjson.dumps({name: [{"operator": operator, "value": value}]}).decode()}


def changed_after(since: datetime, zone: tzinfo | None) -> Params:
    """Akeneo takes the time without a zone, as that of its server."""
    return search("updated", ">", since.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"))


def in_chunks(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def changed_at(record: Mapping[str, Any]) -> datetime | None:
    """When a product or model changed, with the zone of the PIM's server; None when it does not say so."""
    try:
        found = datetime.fromisoformat(str(record.get("updated")).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def part(code: str) -> str:
    """A code as part of a path."""
    return quote(code, safe="")
