"""Errors that an operator reads. Each says what is wrong, where, and what to do next, in one sentence."""

from __future__ import annotations


class PipelineError(Exception):
    """An expected failure: the command line prints it without a traceback and exits 1."""

    exit_code = 1
    #: Whether the same may work later although nobody does anything: an outage, not a refusal.
    temporary = False


class UsageError(PipelineError):
    """Wrong use (unknown store, bad option) or wrong configuration (environment, settings, key file), told before anything is
    begun: exit 2."""

    exit_code = 2


class BadInputError(PipelineError):
    """Outside data that cannot be read at all; single bad rows become rejected rows instead."""
