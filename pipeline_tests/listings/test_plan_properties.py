"""What must hold for every catalog: a plan that was carried out leaves nothing to do, and the diff is that of a plain loop."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_tests.listings.fakes import FakeMarketplace, family, listing
from pipeline_tests.listings.planning import KINDS, Desk, changes, sent

VALUES = {
    "price": st.sampled_from([900, 1000, 1100]),
    "list_price": st.sampled_from([None, 1500]),
    "quantity": st.sampled_from([None, 0, 3, 5]),
    "content_hash": st.sampled_from(["c", "d"]),
    "images_hash": st.sampled_from(["i", "j"]),
    "status": st.sampled_from(["ready", "ready", "blocked"]),
}


@st.composite
def catalogs(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """A few singles and families in one or two batches, as `build_listings` would make them."""
    products: list[list[dict[str, Any]]] = []
    for number in draw(st.permutations(range(6)))[: draw(st.integers(0, 6))]:
        if number % 2:
            products.append([listing(f"s{number}", **{name: draw(value) for name, value in VALUES.items()})])
            continue
        children = [
            {"sku": f"c{number}{letter}", **{name: draw(value) for name, value in VALUES.items()}}
            for letter in "xyz"[: draw(st.integers(1, 3))]
        ]
        ready = any(child["status"] == "ready" for child in children)
        parent = draw(st.sampled_from(["c", "d"]))
        products.append(family(str(number), children, content_hash=parent, status="ready" if ready else "blocked"))
    cut = draw(st.integers(0, len(products)))
    return [[row for rows in part for row in rows] for part in (products[:cut], products[cut:])]


class TemporaryDesk:
    def __init__(self, **how: Any) -> None:
        self.how = how

    def __enter__(self) -> Desk:
        self._folder = tempfile.TemporaryDirectory()
        return Desk(Path(self._folder.__enter__()), FakeMarketplace(**self.how))

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


INVALID = st.lists(
    st.tuples(st.sampled_from(["s1", "s3", "c0x", "c2y", "P-0", "P-2"]), st.sampled_from(["product", "price"])), max_size=3
)
some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@some
@given(first=catalogs(), second=catalogs(), whole=st.booleans(), invalid=INVALID)
def test_after_a_commit_nothing_is_left_to_do(first: Any, second: Any, whole: bool, invalid: list[tuple[str, str]]) -> None:
    with TemporaryDesk(whole_families=whole, invalid=invalid) as desk:
        for batches in (first, second):
            plan = desk.run(*batches)
            numbers = plan.plan.counts
            assert numbers["ready"] + numbers["blocked"] == numbers["listings"] == sum(map(len, batches))
            assert len({(sku, feed) for sku, feed, _ in sent(plan)}) == len(sent(plan))
            again = desk.plan(*batches)
            assert (sent(again), again.plan.effects.rows) == ([], 0)


@some
@given(first=catalogs(), second=catalogs(), invalid=INVALID)
def test_what_is_live_is_whole(first: Any, second: Any, invalid: list[tuple[str, str]]) -> None:
    with TemporaryDesk(invalid=invalid) as desk:
        for batches in (first, second):
            desk.run(*batches)
            for row in desk.state.values():
                assert row["role"] != "child" or row["parent_sku"] in desk.state
                assert row["left_at"] is None or row["quantity"] in (0, None)


@some
@given(first=catalogs(), second=catalogs())
def test_the_diff_is_that_of_a_plain_loop(first: Any, second: Any) -> None:
    with TemporaryDesk() as desk:
        desk.run(*first)
        found = changes(desk.plan(*second))
        assert {sku: [kind for kind in kinds if kind in KINDS] for sku, kinds in found.items()} == dict(expected(desk, second))


def expected(desk: Desk, batches: list[list[dict[str, Any]]]) -> Iterator[tuple[str, list[str]]]:
    """The kinds of change of each SKU by the words of the design, one row at a time."""
    rows = {row["sku"]: row for batch in batches for row in batch}
    alive = {
        sku for sku, row in rows.items()
        if sku in desk.state or (row["status"] == "ready" and row["quantity"] not in (0, None))
    }  # fmt: skip
    new_children = {row["parent_sku"] for sku, row in rows.items() if row["role"] == "child" and sku in alive - set(desk.state)}
    for sku, row in rows.items():
        before, kinds = desk.state.get(sku), []
        if before is None:
            family_lives = any(
                other["parent_sku"] == sku and name in alive for name, other in rows.items() if other["role"] == "child"
            )
            create = family_lives if row["role"] == "parent" else sku in alive
            verdict = ["create"] if create and row["status"] == "ready" else []
            yield sku, verdict
            continue
        if row["status"] == "ready":
            kinds += ["update"] * (row["content_hash"] != before["content_hash"] or sku in new_children)
            kinds += ["price"] * (row["role"] != "parent" and any(row.get(key) != before[key] for key in ("price", "list_price")))
            kinds += ["quantity"] * (row["quantity"] is not None and row["quantity"] != before["quantity"])
            kinds += ["images"] * (row["images_hash"] != before["images_hash"])
            yield sku, kinds or ["unchanged"]
        else:
            yield sku, ["quantity"] * (row["quantity"] is not None and row["quantity"] < before["quantity"])
    for sku, before in desk.state.items():
        if sku not in rows:
            yield sku, ["quantity"] if before["quantity"] else ["unchanged"]
