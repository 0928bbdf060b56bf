"""Everything that a PIM can do instead of answering, on every call: the copy is complete, or there is one clear sentence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.akeneo.client import Client
from pipeline.catalog.akeneo.reader import Reader
from pipeline.catalog.akeneo.source import Akeneo
from pipeline.catalog.source import FetchJob, RawImport
from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.http import ApiError, Service
from pipeline_tests.catalog.akeneo.helpers import Clock, source
from pipeline_tests.catalog.akeneo.sample import fill, fill_many
from pipeline_tests.fakes.akeneo import AT_ONCE, CREDENTIALS, FakeAkeneo

FOREVER = 10_000
KINDS = ("token", "channels", "categories", "attributes", "options", "families", "variants", "products", "product-models")
#: (what happens, how often, the sentence has to say; None: the import must end complete)
FAULTS: list[tuple[int | str, int, str | None]] = [
    (401, 1, None), (401, FOREVER, "takes neither the old token nor a new one"),
    (403, FOREVER, "the connection may not read"), (404, FOREVER, "does not have"), (422, FOREVER, "refuses the request for"),
    (429, 2, None), (500, 2, None), (503, FOREVER, "akeneo failed"), (429, FOREVER, "is asked too often"),
    ("truncated", 1, None), ("truncated", FOREVER, "cut off or no JSON"),
    ("empty", 1, None), ("empty", FOREVER, "cut off or no JSON"),
    ("html", FOREVER, "cut off or no JSON"), ("reset", 1, None), ("reset", FOREVER, "cannot be reached"), ("cut", 1, None),
    ("items_missing", FOREVER, "has no items"), (302, FOREVER, "leads elsewhere"),
]  # fmt: skip


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAkeneo]:
    monkeypatch.setattr("pipeline.catalog.akeneo.client.PAGE", 3)
    with FakeAkeneo() as found:
        yield fill(found)


@pytest.fixture
def whole(fake: FakeAkeneo, tmp_path: Path) -> dict[str, str]:
    found = digests(source(fake).fetch(tmp_path / "whole", FetchJob()))
    fake.heal()
    return found


def digests(raw: RawImport) -> dict[str, str]:
    return {file.role: file.sha256 for file in raw.files}


def check_sentence(error: PipelineError) -> None:
    text = str(error)
    assert "\n" not in text and 20 < len(text) < 400 and "Traceback" not in text
    assert not [secret for secret in CREDENTIALS.values() if secret in text]


@pytest.mark.parametrize(("what", "times", "says"), FAULTS, ids=lambda value: str(value))
def test_every_fault_on_every_call(
    what: int | str, times: int, says: str | None, fake: FakeAkeneo, whole: dict[str, str], tmp_path: Path
) -> None:
    for kind in KINDS:
        if kind == "token" and what in ("items_missing", 401, 403, 404, 422, 302):
            continue  # of its own below
        for nth in (1, 2) if kind in ("products", "product-models", "options") else (1,):
            fake.heal()
            fake.fail(kind, nth, what, times)
            folder, clock = tmp_path / f"{kind}-{nth}", Clock()
            if says is not None:
                with pytest.raises(PipelineError) as failed:
                    source(fake, clock=clock).fetch(folder, FetchJob())
                if kind != "token":
                    assert says in str(failed.value), (kind, nth, str(failed.value))
                check_sentence(failed.value)
            else:
                assert digests(source(fake, clock=clock).fetch(folder, FetchJob())) == whole
            assert clock.now <= 300 * 3


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_refused_credentials(status: int, fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.fail("token", 1, status, FOREVER)
    with pytest.raises(
        ApiError, match=r"the PIM refuses the credentials .*: check client id, secret, user name and password"
    ) as failed:
        source(fake).fetch(tmp_path, FetchJob())
    check_sentence(failed.value)
    assert fake.calls["products"] == 0


def test_a_wrong_secret(fake: FakeAkeneo, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="the PIM refuses the credentials"):
        source(fake, secret="wrong-secret-value").fetch(tmp_path, FetchJob())


def test_a_token_that_ends_in_the_middle_is_renewed_once_for_all(fake: FakeAkeneo, whole: dict[str, str], tmp_path: Path) -> None:
    fake.token_calls = 8  # twice what is in flight: a request is not overtaken until its new token has ended too
    assert digests(source(fake).fetch(tmp_path, FetchJob())) == whole
    reads = fake.calls.total() - fake.calls["token"]
    assert 2 <= fake.calls["token"] <= reads // fake.token_calls + 1


def test_a_refresh_token_that_is_old_too(fake: FakeAkeneo) -> None:
    client = Client(Service("akeneo", fake.url), {name: Secret(value) for name, value in CREDENTIALS.items()})
    client.get("system-information")
    fake.expire_tokens(refresh=True)
    assert client.get("system-information")["version"] == "7.0.15"
    assert fake.calls["token"] == 3  # password, refused refresh, password


def test_the_token_goes_to_no_other_host(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.fail("products", 1, "foreign_link", FOREVER)
    with pytest.raises(ApiError, match="the next page of products-uuid is on another host than the PIM"):
        source(fake).fetch(tmp_path, FetchJob())


def test_a_right_that_is_missing_is_named(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.forbidden = {"families"}
    with pytest.raises(ApiError, match="the connection may not read families: give its role the Web API right"):
        source(fake).fetch(tmp_path, FetchJob())


def test_retry_after_is_waited_for(fake: FakeAkeneo, tmp_path: Path) -> None:
    fake.fail("products", 1, 429)
    clock = Clock()
    source(fake, clock=clock).fetch(tmp_path, FetchJob())
    assert sum(clock.waits) == 2.0


def test_a_wait_ends_when_the_run_is_canceled(fake: FakeAkeneo, tmp_path: Path) -> None:
    class Canceled(BaseException):
        pass

    def progress(share: float, message: str) -> None:
        if "waiting" in message and clock.now >= 3:
            raise Canceled

    clock = Clock()
    fake.fail("products", 1, 503, FOREVER)
    with pytest.raises(Canceled):
        source(fake, clock=clock).fetch(tmp_path, FetchJob(progress=progress))
    assert clock.now <= 5


def test_at_most_four_calls_at_once(fake: FakeAkeneo) -> None:
    client = Client(Service("akeneo", fake.url), {name: Secret(value) for name, value in CREDENTIALS.items()})
    client.get("system-information")
    fake.hold = threading.Event()
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("system-information"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    while fake.most_at_once < AT_ONCE:
        threading.Event().wait(0.01)
    fake.hold.set()
    for thread in threads:
        thread.join(20)
    assert (len(answers), fake.most_at_once) == (12, AT_ONCE)


def test_a_canceled_fetch_stops(fake: FakeAkeneo, tmp_path: Path) -> None:
    class Canceled(BaseException):
        pass

    def progress(share: float, message: str) -> None:
        raise Canceled

    fill_many(fake, 40, 3)
    with pytest.raises(Canceled):
        source(fake).fetch(tmp_path, FetchJob(progress=progress))
    calls = sum(fake.calls.values())
    assert not (tmp_path / "products.zst").exists()
    assert sum(fake.calls.values()) == calls


def test_a_refused_setting_names_the_settings(fake: FakeAkeneo, tmp_path: Path) -> None:
    with pytest.raises(
        ApiError, match=r"refuses the request for products-uuid: check channel, locale .*Scope .*nowhere.* does not exist"
    ):
        source(fake, channel="nowhere").fetch(tmp_path, FetchJob())


def test_credentials_do_not_show(fake: FakeAkeneo) -> None:
    found: Akeneo = source(fake)
    assert not [secret for secret in CREDENTIALS.values() if secret in repr(vars(found))]


def test_results_of_many_calls_do_not_pile_up(fake: FakeAkeneo) -> None:
    reader = Reader(Client(Service("akeneo", fake.url), {}), "ecommerce")
    asked: list[int] = []

    def call(number: int) -> int:
        asked.append(number)
        return number

    results = reader.at_once(call, range(1000))
    assert next(results) == 0 and len(asked) < 100
    assert list(results) == list(range(1, 1000))
