"""A store with an Amazon connection at the fake Amazon: plans, hands over and works, on the fake's clock."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from pipeline.feeds.pack import write_feeds
from pipeline.listings.lane import Lane
from pipeline.listings.plan import PlanResult, plan_changes
from pipeline.listings.state import lane_version, read_refused, read_state, register
from pipeline.listings.unsent import find_unsent, plan_newest
from pipeline.marketplaces import find_site
from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.amazon.spapi.feeds import FEED_TYPE, AmazonFeeds
from pipeline.marketplaces.amazon.spapi.tokens import Tokens
from pipeline.model.listing import FEED_KINDS, Account
from pipeline.model.secret import Secret
from pipeline.platform.database import Database
from pipeline.platform.http import Patience
from pipeline.platform.locks import advisory_lock
from pipeline.platform.rate_limits import Buckets
from pipeline.submissions.api_mode import commit
from pipeline.submissions.ledger import Ledger
from pipeline.submissions.machine import TIMING, Timing, Worker
from pipeline_tests.fakes.amazon import MARKETPLACE, SELLER, FakeAmazon
from pipeline_tests.listings.fakes import IMPORT, export_settings, listings_table
from pipeline_tests.marketplaces.rows import single

MARKET, SITE = find_site("amazon-us")
ACCOUNT = Account("shop", SELLER, {"seller_id": SELLER})
RENEW = "pipeline connection set shop amazon-us --credentials ask"
FEED_LANE = f"amazon {SELLER} {MARKETPLACE} {FEED_TYPE}"


def row(sku: str, **values: Any) -> dict[str, Any]:
    """A sound listing; `content` stands for everything that its content says."""
    content = values.pop("content", "c")
    return single(sku=sku, product_id=f"p-{sku}", title=f"Mug {content}", content_hash=content, images_hash="i", **values)


@dataclass
class Shop:
    """Everything about one store. `timing` may be changed."""

    database: Database
    amazon: FakeAmazon
    folder: Path
    connection: psycopg.Connection[Any]
    lane: Lane
    timing: Timing = TIMING
    urgent_skus: int = 0  # all by feed
    import_id: str = IMPORT  # that plans are made from
    plans: int = 0
    said: list[str] = field(default_factory=list)

    def plan(self, *rows: dict[str, Any], holds: dict[str, str] | None = None, **settings: Any) -> PlanResult:
        self.plans += 1
        scratch = self.folder / f"scratch{self.plans}"
        with self.connection.transaction():
            plan = partial(
                plan_changes, listings_table(scratch, list(rows), import_id=self.import_id), marketplace=MARKET, site=SITE,
                account=ACCOUNT, settings=export_settings(**{"urgent_skus": self.urgent_skus, **settings}),
                base_version=lane_version(self.connection, self.lane), now=self.amazon.clock.now(), folder=scratch,
                root=self.folder, refused=read_refused(self.connection, self.lane), holds=holds, transport="api",
            )  # fmt: skip
            state = partial(read_state, self.connection, self.lane)
            result, unsent = plan_newest(plan, state, find_unsent(self.connection, self.lane))
            register(self.connection, self.lane, result.plan, unsent)
        return result

    def hand_over(self, result: PlanResult) -> bool:
        plan = result.plan
        files, digests = [], {}
        for kind in FEED_KINDS:
            folder = self.folder / "feeds" / plan.export_id
            for file in write_feeds(plan.messages, kind, MARKET, SITE, ACCOUNT, folder, plan.urgent):
                path = str(Path(str(file.path)).relative_to(self.folder))
                digests[path] = hashlib.sha256((self.folder / path).read_bytes()).hexdigest()
                files.append({"kind": kind, "path": path, "messages": file.messages, "bytes": file.bytes, "via": file.via})
        new = commit(self.connection, self.lane, plan, files, digests, FEED_LANE)
        # Planned by the database's clock; the rest of the test lives by Amazon's.
        self.connection.execute(
            "UPDATE submissions SET next_at = %s, created_at = %s WHERE state = 'planned'", [self.now, self.now]
        )
        return new

    def assume_live(self, rows: list[dict[str, Any]]) -> None:
        """As if these had been sent and acknowledged."""
        lane = self.lane.key
        self.connection.execute("INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, %s, %s)", lane)
        names = ("sku", "product_id", "role", "content_hash", "images_hash", "price", "quantity")
        with self.connection.cursor().copy(
            f"COPY listing_state (store_id, site, transport, version, {', '.join(names)}) FROM STDIN"
        ) as copy:
            for one in rows:
                copy.write_row((*lane, 0, *(one[name] for name in names)))

    def export(self, *rows: dict[str, Any], **settings: Any) -> PlanResult:
        result = self.plan(*rows, **settings)
        self.hand_over(result)
        return result

    def work(self, **values: Any) -> Counter[str]:
        """One pass of a worker over everything that is due."""
        self.connection.execute("DELETE FROM rate_limits")
        with self.worker(**values) as worker:
            return worker.run()

    def pass_time(self, passes: int = 30, seconds: float = 60, **values: Any) -> None:
        """Passes of one worker, a minute apart."""
        with self.worker(**values) as worker:
            for _ in range(passes):
                self.connection.execute("DELETE FROM rate_limits")  # real time stands still; Amazon's own limits hold
                worker.run()
                self.amazon.clock.advance(seconds)

    @contextmanager
    def worker(self, **values: Any) -> Iterator[Worker]:
        clock = self.amazon.clock
        patience = Patience(deadline_seconds=30, sleep=clock.advance, clock=clock.seconds, jitter=lambda: 1.0)
        with (
            advisory_lock(self.database.connect, f"feeds of {FEED_LANE}", wait_seconds=0, holder="test") as lock,
            self.database.connect(autocommit=True) as connection,
            Buckets(self.database.connect) as buckets,
        ):
            credentials = {name: Secret(value) for name, value in self.amazon.credentials.items()}
            service = AmazonFeeds(SpApi("NA", SELLER, credentials, buckets, Tokens(clock.seconds), patience, renew=RENEW), SITE)
            ledger = Ledger(connection, FEED_LANE, clock=clock.now)
            yield Worker(ledger, service, self.read, lock.verify, timing=self.timing, **values)
            service.close()

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    @property
    def now(self) -> Any:
        return self.amazon.clock.now()

    # What the database says.

    def submissions(self, *columns: str) -> list[Any]:
        rows = self.connection.execute(f"SELECT {', '.join(columns or ('state',))} FROM submissions ORDER BY id").fetchall()
        return [one[0] if len(one) == 1 else tuple(one) for one in rows]

    def state(self) -> dict[str, dict[str, Any]]:
        """What a plan is made against."""
        return {one["sku"]: one for one in read_state(self.connection, self.lane).to_pylist()}

    def acknowledged(self, *columns: str) -> dict[str, Any]:
        rows = self.connection.execute(f"SELECT sku, {', '.join(columns or ('price',))} FROM listing_state").fetchall()
        return {one[0]: one[1] if len(one) == 2 else tuple(one[1:]) for one in rows}

    def on_its_way(self) -> set[tuple[str, str, str]]:
        return set(self.connection.execute("SELECT sku, change, status FROM listing_changes_sent").fetchall())

    def results(self) -> dict[tuple[int, str], str]:
        rows = self.connection.execute("SELECT submission_id, sku, outcome FROM submission_results").fetchall()
        return {(one[0], one[1]): one[2] for one in rows}


def new_shop(database: Database, amazon: FakeAmazon, folder: Path, connection: psycopg.Connection[Any]) -> Shop:
    connection.autocommit = True
    found = connection.execute(
        "INSERT INTO stores (key, name, source, currency, language)"
        " VALUES ('shop', 'Shop', 'shopify-file', 'USD', 'en') RETURNING id"
    ).fetchone()
    assert found is not None
    return Shop(database, amazon, folder, connection, Lane(found[0], "shop", SITE.key, "api"))


def changes(result: PlanResult) -> dict[str, list[str]]:
    frame = result.changes.open().read()
    return {sku: list(kinds) for sku, kinds in zip(frame["sku"], frame["changes"], strict=True)}


def reasons(result: PlanResult) -> dict[str, str]:
    frame = result.changes.open().read().dropna(subset=["reason"])
    return dict(zip(frame["sku"], frame["reason"], strict=True))
