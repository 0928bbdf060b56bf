"""What an error means for the import that it ended: it is over, or interrupted, so that the next one may go on with it."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import psycopg

from pipeline.model.errors import PipelineError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Ending:
    """`reason` is a sentence for the operator. An import that is not `over` stays as it is."""

    reason: str
    over: bool


def ending_of(error: Exception, store: str) -> Ending:
    """The source refused, or gave what cannot be read: over. It could not be reached, or this machine or its database failed:
    interrupted. A bug: over."""
    again = f"then go on with: pipeline import {store}"
    if isinstance(error, PipelineError):
        return Ending(
            f"{error}; the next import goes on from here: pipeline import {store}" if error.temporary else str(error),
            over=not error.temporary,
        )
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return Ending(f"the database was lost in the middle of the import; see that it runs, {again}", over=False)
    if isinstance(error, MemoryError):
        return Ending(f"the import needs more memory than this machine has free; end other programs, {again}", over=False)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in _FULL:
            return Ending(f"the disk is full{where}; make room in the data directory, {again}", over=False)
        reason = error.strerror or type(error).__name__
        return Ending(f"a file cannot be read or written: {reason}{where}; correct that, {again}", over=False)
    return Ending(
        f"{type(error).__name__} in the importer, which is a fault of it: report it, and read everything anew with: "
        f"pipeline import {store} --full",
        over=True,
    )
