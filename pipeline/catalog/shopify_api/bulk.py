"""Bulk operations: started once, waited for, downloaded, checked against Shopify's own totals. Each step survives a death.

An operation is named in its query by a word of its own that is saved before Shopify is asked; so one that was started but whose
id was never saved is found again among the shop's newest operations, and is not paid for twice.
Facts: shopify.dev/docs/api/usage/bulk-operations/queries (up to five at once from API 2026-01, results kept 7 days).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.catalog.shopify_api import queries
from pipeline.catalog.shopify_api.client import Shop, outcome_unknown
from pipeline.catalog.source import FetchJob, RawFile, store_raw
from pipeline.model.errors import PipelineError
from pipeline.platform.http import ApiError, redact

#: Seconds between looks at running operations: doubled from the first to the longest.
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 2.0, 30.0
#: How often an operation that Shopify canceled, lost or failed by its own fault is started before we give up.
STARTS = 3
#: How long to wait while the shop's five operations are all taken by others.
BUSY_SECONDS = 3600.0
_PARENT = b'"__parentId":'

Query = Callable[[str], str]


class Bulk:
    """Runs the bulk operations of one fetch, all at once, into raw files named by their role."""

    def __init__(self, shop: Shop, folder: Path, job: FetchJob, *, expected: int) -> None:
        self._shop, self._folder, self._job, self._expected = shop, folder, job, expected
        self._entries: dict[str, dict[str, Any]] = job.state.setdefault("bulk", {})
        self._share = 0.0

    def fetch(self, wanted: Mapping[str, Query]) -> dict[str, RawFile]:
        """The files by role; `wanted` makes the query of each role from the operation's name. Raises ApiError.

        After an outage the next import goes on with what is running; after a refusal nothing would, so it is canceled.
        """
        try:
            return self._fetch(wanted)
        except PipelineError as error:
            if not error.temporary:
                self._cancel()
            raise

    def _fetch(self, wanted: Mapping[str, Query]) -> dict[str, RawFile]:
        files = {role: file for role in wanted if (file := self._kept(role)) is not None}
        waiting, pause = [role for role in wanted if role not in files], FIRST_POLL_SECONDS
        for role in waiting:
            self._start(role, wanted[role])
        while waiting:
            for role in list(waiting):
                operation = self._poll(role)
                status = operation["status"] if operation else "LOST"
                if status == "COMPLETED" and operation is not None:
                    file = self._download(role, operation)
                    if file is not None:
                        files[role] = file
                        waiting.remove(role)
                        continue
                    self._again(role, wanted[role], "its result can no longer be downloaded")
                elif operation is not None and status == "FAILED":
                    self._failed(role, wanted[role], operation)
                elif status in ("CANCELED", "EXPIRED", "LOST"):
                    self._again(role, wanted[role], f"Shopify said {status.lower()}")
            if waiting:
                self._shop.service.patience.sleep(pause)
                pause = min(2 * pause, LONGEST_POLL_SECONDS)
        return files

    def _kept(self, role: str) -> RawFile | None:
        """The file that an earlier process of this import has downloaded and checked."""
        said = self._entries.get(role, {}).get("file")
        path = self._folder / f"{role}.zst"
        return RawFile(said["name"], path, said["sha256"], said["bytes"]) if said and path.is_file() else None

    def _start(self, role: str, query: Query) -> None:
        """Start the operation of a role, unless one of an earlier process is there to be waited for."""
        entry = self._entries.get(role)
        if entry is None:
            entry = self._entries[role] = {"name": f"{role}_{secrets.token_hex(8)}", "starts": 0}
            self._job.state.save()
        elif "id" not in entry:
            self._adopt(entry)
        if "id" not in entry:
            self._run(role, entry, query(entry["name"]))

    def _run(self, role: str, entry: dict[str, Any], query: str) -> None:
        patience = self._shop.service.patience
        since, attempt = patience.clock(), 0
        while "id" not in entry:
            attempt += 1
            try:
                found = self._shop.ask(queries.RUN_BULK, {"query": query}, repeat=False)["bulkOperationRunQuery"] or {}
            except ApiError as error:
                if not outcome_unknown(error) or patience.clock() - since > patience.deadline_seconds:
                    raise
                patience.sleep(patience.wait(attempt))
                self._adopt(entry)
                continue
            errors, operation = found.get("userErrors") or [], found.get("bulkOperation")
            if operation and not errors:
                self._save_id(entry, operation["id"])
                return
            codes = {str(item.get("code")) for item in errors}
            told = redact("; ".join(str(item.get("message")) for item in errors))
            if not codes or not codes <= {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}:
                raise ApiError("Shopify", f"Shopify refuses the bulk query of {role}: {told}", code=next(iter(codes), None))
            if patience.clock() - since > BUSY_SECONDS:
                raise ApiError(
                    "Shopify",
                    f"other apps keep the bulk operations of {self._shop.domain} busy ({told}); import later",
                    temporary=True,
                )
            self._job.progress(0.0, f"waiting for another bulk operation of {self._shop.domain}")
            patience.sleep(min(LONGEST_POLL_SECONDS, FIRST_POLL_SECONDS * 2 ** min(attempt, 8)))

    def _adopt(self, entry: dict[str, Any]) -> None:
        """Take the operation that was started by this name, if the shop knows one."""
        for operation in self._shop.ask(queries.RECENT_BULK)["bulkOperations"]["nodes"]:
            if entry["name"] in (operation.get("query") or ""):
                self._save_id(entry, operation["id"])
                return

    def _save_id(self, entry: dict[str, Any], identity: str) -> None:
        entry["id"] = identity
        entry["starts"] += 1
        self._job.state.save()

    def _poll(self, role: str) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = self._shop.ask(queries.POLL_BULK, {"id": self._entries[role]["id"]})["bulkOperation"]
        if operation is not None:
            if self._expected and role == "products":
                self._share = min(0.95, int(operation["rootObjectCount"] or 0) / self._expected)
            self._job.progress(
                self._share, f"{role}: {operation['status'].lower()}, {int(operation['objectCount'] or 0):,} records"
            )
        return operation

    def _cancel(self) -> None:
        """Free the shop's places for operations. What cannot be canceled ends by itself; the error that we have counts more."""
        running = [entry["id"] for entry in self._entries.values() if "id" in entry and "file" not in entry]
        with suppress(ApiError):
            for identity in running:
                self._shop.ask(queries.CANCEL_BULK, {"id": identity}, repeat=False)

    def _again(self, role: str, query: Query, why: str) -> None:
        starts = self._entries[role]["starts"]
        if starts >= STARTS:
            raise ApiError("Shopify", f"the bulk operation of {role} did not end well {starts} times ({why}); import again later")
        self._entries[role] = {"name": f"{role}_{secrets.token_hex(8)}", "starts": starts}
        self._job.state.save()
        self._run(role, self._entries[role], query(self._entries[role]["name"]))

    def _failed(self, role: str, query: Query, operation: Mapping[str, Any]) -> None:
        """What was read so far is kept as evidence, never as a catalog."""
        if operation.get("partialDataUrl"):
            self._evidence(role, operation["partialDataUrl"])
        code = str(operation.get("errorCode") or "no reason given")
        if code == "ACCESS_DENIED":
            raise ApiError(
                "Shopify",
                f"Shopify does not let the app of {self._shop.domain} read {role}; see: pipeline store test {self._shop.store}",
                code=code,
            )
        self._again(role, query, f"Shopify said failed, {code.lower()}")

    def _evidence(self, role: str, url: str) -> None:
        try:
            self._shop.service.download(
                url, lambda blocks: store_raw(blocks, self._folder, f"{role}-partial", role, may_be_empty=True)
            )
        except ApiError as error:
            self._shop.notes.append(f"the partial result of {role} could not be kept: {error}")

    def _download(self, role: str, operation: Mapping[str, Any]) -> RawFile | None:
        """The checked file of a complete operation; None when its address has expired for good."""
        name = f"{role} of {self._shop.domain}"
        wanted = int(operation["objectCount"] or 0), int(operation["rootObjectCount"] or 0)
        file, counted = None, (0, 0)
        for attempt in range(2):
            url = operation["url"]
            if url is None:  # no row at all
                file, counted = store_raw((), self._folder, role, name, may_be_empty=True), (0, 0)
            else:
                counter = _Counter()
                try:
                    file = self._shop.service.download(
                        url,
                        lambda blocks: store_raw(counter.count(blocks), self._folder, role, name, may_be_empty=True),  # noqa: B023
                    )
                except ApiError as error:
                    if error.status not in (400, 401, 403, 404, 410):
                        raise
                    if attempt:
                        return None
                    operation = self._poll(role) or operation  # signs a new address
                    continue
                counted = counter.lines, counter.lines - counter.children
            if counted == wanted:
                self._entries[role]["file"] = {"name": name, "sha256": file.sha256, "bytes": file.bytes}
                self._job.state.save()
                return file
        raise ApiError(
            "Shopify",
            f"the result of {role} has {counted[0]} records, {counted[1]} of them at the top, but Shopify counted {wanted[0]} "
            f"and {wanted[1]}; import again",
        )


class _Counter:
    """Lines and children of JSON Lines as they pass by; a call of `count` starts anew."""

    def __init__(self) -> None:
        self.lines = self.children = 0

    def count(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        self.lines = self.children = 0
        tail, last = b"", b"\n"
        for block in blocks:
            self.lines += block.count(b"\n")
            # A merchant's text cannot look like this: its quotes are escaped.
            self.children += (tail + block).count(_PARENT)
            tail, last = (tail + block)[-len(_PARENT) + 1 :], block[-1:] or last
            yield block
        self.lines += last != b"\n"
