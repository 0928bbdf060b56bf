"""Messages of a plan, asked of the marketplace a batch of listings at a time, and what a refused message means for the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.diff import among, differs
from pipeline.listings.schema import PRICES
from pipeline.marketplaces.base import NO_MESSAGES, Marketplace
from pipeline.model.listing import Account, FeedKind, Site
from pipeline.platform.tables import to_frame

#: Kinds of change that a marketplace makes messages of from a listing row, and the feed that carries each.
FEED_OF: Mapping[str, FeedKind] = {
    "create": "product", "update": "product", "price": "price", "quantity": "inventory", "images": "images",
}  # fmt: skip
_KINDS = tuple(FEED_OF)
_COLUMNS = [f"do_{kind}" for kind in _KINDS]

#: Listings whose messages are in memory at once, but for the rest of their last product.
_ROWS = 4_000

Refusals = dict[tuple[str, str], str]  # (SKU, feed) -> sentences


@dataclass
class Messages:
    """Asks one marketplace for the messages of a frame of `diff.diff`, corrects the frame where one is refused, and counts."""

    marketplace: Marketplace
    site: Site
    account: Account
    frame: pd.DataFrame
    counts: Counter[str] = field(default_factory=Counter)

    def changes(self, start: int, end: int) -> bool:
        """Whether any of these rows of the frame asks for a message."""
        return bool(self.frame.iloc[start:end][_COLUMNS].to_numpy("bool").any())

    def of_batch(self, full: pa.Table, start: int) -> Iterator[pa.Table]:
        """Messages for a row group of the listings (rows of the frame from `start` on), a few of the products with changes at a
        time."""
        part = self.frame.iloc[start : start + len(full)]
        concerned = among(part["product_id"], part.loc[part[_COLUMNS].any(axis=1), "product_id"]).to_numpy("bool")
        full, part = full.filter(pa.array(concerned)), part[concerned]
        for first, last in pairwise(cuts(full["product_id"], _ROWS)):
            yield self._of_rows(full.slice(first, last - first), part.iloc[first:last])

    def _of_rows(self, listings: pa.Table, part: pd.DataFrame) -> pa.Table:
        """Messages for listings of whole products; `part` are their rows of the frame."""
        kinds = part[_COLUMNS].to_numpy("bool")
        changed = kinds.any(axis=1)
        ready = part["status"].eq("ready").to_numpy("bool")
        sayable = ready & ((part["live"] & ~part["moving"]) | part["do_create"]).to_numpy("bool")
        family = among(part["product_id"], part.loc[changed & ready, "product_id"]).to_numpy("bool")
        # Of a held listing nothing is said but that there are fewer, and apart from its family's content.
        falling = changed & ~ready
        with_parents = falling | among(part["sku"], part.loc[falling, "parent_sku"]).to_numpy("bool")

        messages = [NO_MESSAGES]
        refusals: Refusals = {}
        for chosen, spoken in ((sayable & family, ready), (with_parents, falling)):
            if chosen.any():
                rows = to_frame(listings if chosen.all() else listings.filter(pa.array(chosen)))
                for value in (*PRICES, "quantity"):
                    rows[value] = part[f"{value}_after"][chosen].array
                ended = part["sale_price_before"].notna() & part["sale_price_after"].isna()
                rows["sale_withdrawn"] = ended[chosen].array
                changes = _changes(rows["sku"].tolist(), kinds[chosen] & spoken[chosen, None])
                found = self.marketplace.messages(rows, changes, self.site, self.account)
                messages.append(found.messages)
                refusals |= {(one.sku, one.feed): " ".join(one.problems) for one in found.refused}
        return self._counted(self._settled(part, pa.concat_tables(messages), refusals))

    def of_gone(self) -> pa.Table:
        """Messages for live SKUs that are no longer listings, or not where they were."""
        before = {f"{name}_before": name for name in ("role", "parent_sku", "product_id")}
        gone = self.frame[["sku", *before]].rename(columns=before)
        zero = gone[self.frame["do_quantity"] & self.frame["status"].eq("left")]
        delete = gone[self.frame["do_delete"]]
        found = [NO_MESSAGES]
        asked: tuple[tuple[Callable[..., pa.Table], pd.DataFrame], ...] = (
            (self.marketplace.zero_quantities, zero),
            (self.marketplace.deletions, delete),
        )
        for ask, rows in asked:
            if len(rows):
                found.append(ask(rows.reset_index(drop=True), self.site, self.account))
        return self._counted(pa.concat_tables(found))

    def _counted(self, messages: pa.Table) -> pa.Table:
        self.counts.update({row["values"]: row["counts"] for row in pc.value_counts(messages["feed"]).to_pylist()})
        return messages

    def _settled(self, part: pd.DataFrame, messages: pa.Table, refusals: Refusals) -> pa.Table:
        """The messages that remain when refused ones block new listings and hold changes of live ones."""
        described = messages.filter(pc.equal(messages["feed"], "product"))["sku"]
        created = part.loc[part["do_create"], ["sku", "parent_sku"]]
        covered = among(created["sku"], described) | among(created["parent_sku"], described)
        if not refusals and covered.all():
            return messages
        blocked = self._block_new(part, set(described.to_pylist()), refusals)
        self._hold_live(part, messages, refusals)
        unmoved = self._leave_parents(self.frame.loc[part.index])
        idle = pc.and_(_is_among(messages["sku"], unmoved), pc.equal(messages["feed"], FEED_OF["update"]))
        return messages.filter(pc.invert(pc.or_(_is_among(messages["sku"], blocked), idle)))

    def _block_new(self, part: pd.DataFrame, described: set[str], refusals: Refusals) -> Mapping[str, str]:
        new = part.loc[part["do_create"], ["sku", "parent_sku", "role"]]
        refused = {sku: reason for (sku, _), reason in refusals.items()}
        blocked: dict[str, str] = {}
        for sku, parent, role in new.sort_values("role", ascending=False, kind="stable").itertuples(index=False):
            # Parents come before their children here, which a refused parent takes along.
            of_parent = "" if role != "child" else blocked.get(parent) or ("" if sku in described else refused.get(parent, ""))
            if sku in refused:
                blocked[sku] = refused[sku]
            elif of_parent:
                blocked[sku] = f"The parent listing of its family is blocked: {of_parent}"
            elif sku not in described and parent not in described:
                blocked[sku] = f"{self.site.key} has no message for it."
        children = part["role"].eq("child") & (part["live"] | part["do_create"]) & ~among(part["sku"], blocked)
        families = set(part.loc[children, "parent_sku"])
        for sku in new.loc[new["role"].eq("parent"), "sku"]:
            if sku not in families and sku not in blocked:
                blocked[sku] = "None of its variants can be listed."
        rows = part.index[part["do_create"] & among(part["sku"], blocked)]
        self.frame.loc[rows, "do_create"] = False
        self.frame.loc[rows, "do_blocked"] = True
        self._refuse(rows, blocked)
        return blocked

    def _leave_parents(self, part: pd.DataFrame) -> Collection[str]:
        """SKUs of live parents that were to change only for a new child that is refused: they stay as they are."""
        joining = part.loc[part["do_create"] & part["role"].eq("child"), "parent_sku"]
        for_child = part["do_update"] & part["live"] & part["role"].eq("parent") & ~differs(part, "content_hash")
        idle = for_child & ~among(part["sku"], joining)
        self.frame.loc[part.index[idle], "do_update"] = False
        return list(part.loc[idle, "sku"])

    def _hold_live(self, part: pd.DataFrame, messages: pa.Table, refusals: Refusals) -> None:
        sent = set(zip(messages["sku"].to_pylist(), messages["feed"].to_pylist(), strict=True))
        for kind, feed in FEED_OF.items():
            reasons = {sku: reason for (sku, of), reason in refusals.items() if of == feed}
            if kind == "create" or not reasons:
                continue
            # A child without a message of its own is part of its parent's.
            own = among(part["sku"], reasons)
            carried = among(part["parent_sku"], reasons) & ~among(part["sku"], [sku for sku, of in sent if of == feed])
            rows = part.index[part[f"do_{kind}"] & part["live"] & (own | carried)]
            self.frame.loc[rows, f"do_{kind}"] = False
            self.frame.loc[rows, "do_hold"] = True
            self._refuse(rows, {**_of_children(part, reasons), **reasons})

    def _refuse(self, rows: pd.Index, reasons: Mapping[str, str]) -> None:
        self.frame.loc[rows, "refused"] = True
        self.frame.loc[rows, "reason"] = self.frame.loc[rows, "sku"].map(reasons).astype(self.frame["reason"].dtype)


def cuts(product_ids: pa.ChunkedArray, rows: int) -> list[int]:
    """Where to cut rows into pieces of whole products, of about `rows`; the first is 0 and the last their number."""
    ids = product_ids.combine_chunks()
    starts = np.flatnonzero(pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)) + 1
    wanted = starts[np.searchsorted(starts, np.arange(rows, len(ids), rows)).clip(max=len(starts) - 1)] if len(starts) else []
    return sorted({0, *map(int, wanted), len(ids)})


def _is_among(values: pa.ChunkedArray, others: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.array(list(others), pa.string()))


def _of_children(part: pd.DataFrame, reasons: Mapping[str, str]) -> dict[str, str]:
    children = part.loc[among(part["parent_sku"], reasons), ["sku", "parent_sku"]]
    return {sku: reasons[parent] for sku, parent in children.itertuples(index=False)}


def _changes(skus: list[str], kinds: np.ndarray) -> dict[str, frozenset[str]]:
    codes = kinds @ (1 << np.arange(len(_KINDS)))
    return {sku: _kinds(code) for sku, code in zip(skus, codes.tolist(), strict=True)}


@cache
def _kinds(code: int) -> frozenset[str]:
    return frozenset(kind for bit, kind in enumerate(_KINDS) if code >> bit & 1)
