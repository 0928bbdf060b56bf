"""What an operator decides about a connection: approve, reject, go back, unpin, pause, resume.

The commands and the jobs of `decision_jobs` both come here. Each is one transaction with its row in the audit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from pipeline.listings.cell import Cell, find_cell
from pipeline.listings.diff import SENT
from pipeline.listings.pins import KINDS, drop_pins, save_pins
from pipeline.listings.plan_files import Plan, load_plan, plan_folder
from pipeline.listings.rollback import committed_plans, roll_back
from pipeline.listings.schema import LISTINGS, PRICES
from pipeline.listings.state import approve as approve_export
from pipeline.listings.state import export_status, latest_export, read_state
from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.database import Database
from pipeline.platform.locks import advisory_lock
from pipeline.settings import Settings
from pipeline.stores.actions import Person, record_action
from pipeline.stores.connections import get_connection, set_status
from pipeline.submissions.withdrawal import withdraw_unsent

_LOCK_WAIT_SECONDS = 60.0
_REJECT = b"""
    INSERT INTO rejected_changes (store_id, site, transport, sku, change, content_hash, images_hash, price, list_price,
        sale_price, sale_start, sale_end, quantity, export_id, who, why)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (store_id, site, transport, sku, change) DO UPDATE SET content_hash = excluded.content_hash,
        images_hash = excluded.images_hash, price = excluded.price, list_price = excluded.list_price,
        sale_price = excluded.sale_price, sale_start = excluded.sale_start, sale_end = excluded.sale_end,
        quantity = excluded.quantity, export_id = excluded.export_id, who = excluded.who, why = excluded.why, rejected_at = now(),
        stands = true
"""


@dataclass(frozen=True)
class Decided:
    """What was done, as a sentence and as values."""

    sentence: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Desk:
    """Where one person decides about one connection."""

    database: Database
    settings: Settings
    store: str
    site: str
    person: Person

    def approve(self, export_id: str = "", *, skus: Collection[str] = (), kinds: Collection[str] = ()) -> Decided:
        """Let a plan pass, or of what its guards hold these SKUs and kinds; what was rejected of them may be planned again.

        No `export_id`: the newest plan. Raises UsageError when nothing of the plan is meant."""
        _known(kinds, SENT)
        with self.database.transaction() as connection:
            cell, plan = self._plan(connection, export_id)
            if not skus and not kinds:
                status = export_status(connection, cell.lane, plan.export_id)
                if status == "committed" and not plan.guarded.rows:
                    raise UsageError(f"export {plan.export_id} was carried out and holds nothing: nothing waits for approval")
                approve_export(connection, cell.lane, plan.export_id, self.person.who, self.person.why)
                held = plan.guarded.rows
                done = Decided(
                    f"export {plan.export_id} is approved, with {held} held changes, for 24 hours",
                    {"export_id": plan.export_id, "held": held},
                )
            else:
                pairs = _chosen(_guarded(plan), skus, kinds)
                unrejected = connection.execute(
                    b"DELETE FROM rejected_changes WHERE store_id = %s AND site = %s AND transport = %s"
                    b" AND (%s OR sku = ANY(%s)) AND (%s OR change = ANY(%s))",
                    (*cell.lane.key, not skus, list(skus), not kinds, list(kinds)),
                ).rowcount
                waits = export_status(connection, cell.lane, plan.export_id) == "waiting_approval"
                if pairs or (waits and not unrejected):
                    approve_export(connection, cell.lane, plan.export_id, self.person.who, self.person.why, pairs)
                elif not unrejected:
                    raise UsageError(f"export {plan.export_id} holds nothing of these SKUs and kinds, and nothing was rejected")
                done = Decided(
                    f"{len(pairs)} held changes of export {plan.export_id} are approved for 24 hours; "
                    f"{unrejected} rejections are taken back",
                    {"export_id": plan.export_id, "approved": len(pairs), "rejections_taken_back": unrejected},
                )
            self._record(connection, "approve", done, skus, kinds)
        return done

    def reject(self, export_id: str = "", *, skus: Collection[str] = (), kinds: Collection[str] = ()) -> Decided:
        """Do not do what a plan is going to do (these SKUs and kinds, or all): the same is not planned again.

        Of a plan that was carried out, only what its guards held. Raises UsageError when nothing of the plan is meant."""
        _known(kinds, SENT)
        if not self.person.why.strip():
            raise UsageError("say why it is rejected: whoever sees that it waits will want to know")
        with self.database.transaction() as connection:
            cell, plan = self._plan(connection, export_id)
            status = export_status(connection, cell.lane, plan.export_id)
            if status == "superseded":
                raise PipelineError(f"export {plan.export_id} is replaced by a newer plan; reject that one")
            pairs = _chosen(_guarded(plan) | (set() if status == "committed" else _planned(plan)), skus, kinds)
            if not pairs:
                carried = ", and was carried out; to undo it: pipeline rollback" if status == "committed" else ""
                raise UsageError(f"export {plan.export_id} changes nothing of these SKUs and kinds{carried}")
            _reject(connection, cell, plan, pairs, self.person)
            if not skus and not kinds:
                connection.execute(
                    b"UPDATE exports SET status = 'superseded' WHERE store_id = %s AND site = %s AND transport = %s"
                    b" AND export_id = %s AND status IN ('planned', 'waiting_approval')",
                    (*cell.lane.key, plan.export_id),
                )
            done = Decided(
                f"{len(pairs)} changes of export {plan.export_id} are rejected; they are not planned again until they change",
                {"export_id": plan.export_id, "rejected_changes": len(pairs)},
            )
            self._record(connection, "reject", done, skus, kinds)
        return done

    def roll_back(self, to: str, *, skus: Collection[str] = (), kinds: Collection[str] = ()) -> Decided:
        """Pin what the listings were after an export; the next export sends the difference. Takes the place of earlier pins.

        Raises PipelineError when the export is not known or its time cannot be rebuilt."""
        _known(kinds, tuple(KINDS))
        if not self.person.why.strip():
            raise UsageError("say why it goes back: whoever sees the pinned values will want to know")
        from pipeline.platform.io_manager import stored_table

        listings = stored_table(self.settings, "listings", LISTINGS, self.site, self.store)
        root = self.settings.storage()
        with self.database.transaction() as connection:
            cell = self._cell(connection)
        with (
            advisory_lock(self.database.connect, cell.lock, wait_seconds=_LOCK_WAIT_SECONDS, holder=self.person.who),
            self.database.transaction() as connection,
        ):
            if listings is None:
                raise PipelineError(f"there are no listings yet; first: pipeline export {self.store} {self.site} --dry-run")
            before, after = committed_plans(connection, cell.lane, root, to)
            found = roll_back(
                listings,
                read_state(connection, cell.lane),
                before,
                after,
                export_id=to,
                family_is_one_listing=cell.marketplace.family_is_one_listing,
                kinds=kinds,
                skus=skus,
            )
            drop_pins(connection, cell.lane, list(skus) or None, list(kinds) or None)
            save_pins(connection, cell.lane, found.pins)
            counts, left_out = found.counts, dict(found.left_out)
            said = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing: all is as it was then"
            done = Decided(
                f"pinned to export {to}: {said}; the next export sends what differs",
                {"export_id": to, "pinned": counts, "left_as_it_is": left_out},
            )
            self._record(connection, "rollback", done, skus, kinds)
        return done

    def unpin(self, *, skus: Collection[str] = (), kinds: Collection[str] = ()) -> Decided:
        """Let the source's values count again. Raises UsageError when nothing of these is pinned."""
        _known(kinds, tuple(KINDS))
        with self.database.transaction() as connection:
            cell = self._cell(connection)
            gone = drop_pins(connection, cell.lane, list(skus) or None, list(kinds) or None)
            if not gone:
                raise UsageError(f"nothing of that is pinned for {self.store} on {self.site}")
            done = Decided(
                f"{len(gone)} values are unpinned; the next export sends what the source says", {"unpinned": len(gone)}
            )
            self._record(connection, "unpin", done, skus, kinds)
        return done

    def pause(self) -> Decided:
        """Send nothing any more. What has not gone out is withdrawn: after the pause the next export says what is newest."""
        with self.database.transaction() as connection:
            cell = self._cell(connection)
            set_status(connection, self.store, self.site, "inactive")
            count = withdraw_unsent(connection, cell.lane, f"paused: {self.person.why or 'no reason given'}", self.person.who)
            feeds = f"; {count} feeds that had not gone out are withdrawn, a later export says what is newest" if count else ""
            done = Decided(f"{self.store} on {self.site} is paused{feeds}", {"withdrawn_feeds": count})
            self._record(connection, "pause", done)
        return done

    def resume(self) -> Decided:
        """Send again, beginning with the next export."""
        with self.database.transaction() as connection:
            self._cell(connection)
            set_status(connection, self.store, self.site, "active")
            done = Decided(f"{self.store} on {self.site} is active")
            self._record(connection, "resume", done)
        return done

    def _cell(self, connection: psycopg.Connection[Any]) -> Cell:
        get_connection(connection, self.store, self.site)  # its error names the store's connections
        found = find_cell(connection, self.store, self.site)
        if found is None:
            raise UsageError(f"{self.store} is not connected to {self.site}")
        return found

    def _plan(self, connection: psycopg.Connection[Any], export_id: str) -> tuple[Cell, Plan]:
        cell = self._cell(connection)
        if not export_id:
            newest = latest_export(connection, cell.lane)
            if newest is None:
                raise UsageError(
                    f"{self.store} has no plan for {self.site} yet; make one with: pipeline export {self.store} {self.site}"
                )
            export_id = newest.export_id
        if export_status(connection, cell.lane, export_id) is None:
            raise UsageError(
                f"{self.store} has no export {export_id} on {self.site}; see: pipeline changes list {self.store} {self.site}"
            )
        return cell, load_plan(plan_folder(self.settings.storage(), self.store, self.site, export_id))

    def _record(
        self,
        connection: psycopg.Connection[Any],
        action: str,
        done: Decided,
        skus: Collection[str] = (),
        kinds: Collection[str] = (),
    ) -> None:
        details = {name: value for name, value in done.details.items() if name != "export_id"}
        if skus:
            details["skus"] = sorted(skus)
        if kinds:
            details["kinds"] = sorted(kinds)
        record_action(connection, self.person, action, self.store, self.site, export_id=done.details.get("export_id"), **details)


def _known(kinds: Collection[str], known: Sequence[str]) -> None:
    unknown = sorted(set(kinds) - set(known))
    if unknown:
        raise UsageError(f"{', '.join(unknown)} is no kind of change here; there are {', '.join(known)}")


def _chosen(pairs: set[tuple[str, str]], skus: Collection[str], kinds: Collection[str]) -> set[tuple[str, str]]:
    return {(sku, kind) for sku, kind in pairs if (not skus or sku in skus) and (not kinds or kind in kinds)}


def _guarded(plan: Plan) -> set[tuple[str, str]]:
    """(SKU, change) that the plan's guards hold."""
    held = plan.guarded.read(["sku", "change"])
    return set(zip(held["sku"], held["change"], strict=True))


def _planned(plan: Plan) -> set[tuple[str, str]]:
    """(SKU, change) that the plan is going to send."""
    rows = plan.changes.read(["sku", "changes"])
    return {(sku, word) for sku, words in zip(rows["sku"], rows["changes"], strict=True) for word in words if word in SENT}


def _reject(connection: psycopg.Connection[Any], cell: Cell, plan: Plan, pairs: set[tuple[str, str]], person: Person) -> None:
    names = ("content_hash", "images_hash", *PRICES, "quantity")
    rows = {row["sku"]: [row[name] for name in names] for row in plan.changes.arrow(["sku", *names]).to_pylist()}
    with connection.cursor() as cursor:
        cursor.executemany(
            _REJECT,
            [(*cell.lane.key, sku, change, *rows[sku], plan.export_id, person.who, person.why) for sku, change in sorted(pairs)],
        )
