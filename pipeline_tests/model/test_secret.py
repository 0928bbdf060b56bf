"""A secret shows itself nowhere but in `reveal()`."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.output import cell, plain
from pipeline.model.secret import Secret

CANARY = "CANARY-secret"


@dataclasses.dataclass(frozen=True)
class Holder:
    token: Secret


def test_only_reveal_tells() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    record = logging.LogRecord("x", logging.INFO, "", 0, "token %s %r", (secret, secret), None)
    for shown in (
        repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", f"{secret:>30}",
        "%s" % secret, f"{[secret]} {({'a': secret})}",  # noqa: UP031
        repr(Holder(secret)), record.getMessage(), json.dumps(plain({"token": secret})), cell(secret), cell({"token": secret}),
    ):  # fmt: skip
        assert "**********" in shown
        assert CANARY not in shown


@pytest.mark.parametrize(
    "leak",
    [
        *(lambda secret, protocol=protocol: pickle.dumps(secret, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy,
        copy.deepcopy,
        lambda secret: pickle.dumps({"deep": [Holder(secret)]}),
        lambda secret: dataclasses.asdict(Holder(secret)),
        json.dumps,
        orjson.dumps,
        lambda secret: json.dumps({"token": secret}),
        hash,
        vars,
        lambda secret: {secret},
    ],
)
def test_what_would_carry_it_away_fails_without_quoting_it(leak: Any) -> None:
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_only_texts_are_secrets() -> None:
    with pytest.raises(TypeError) as caught:
        Secret(CANARY.encode())  # type: ignore[arg-type]
    assert CANARY not in str(caught.value)


@given(st.text(), st.text())
def test_equal_exactly_when_the_texts_are(one: str, other: str) -> None:
    assert Secret(one) == Secret(one)
    assert (Secret(one) == Secret(other)) == (one == other)


def test_never_equal_to_a_plain_text() -> None:
    assert Secret("a") != "a"
    assert Secret("\udcff") == Secret("\udcff") != Secret("\udcfe")
