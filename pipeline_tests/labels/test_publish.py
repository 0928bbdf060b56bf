"""Publishing translated labels to a live Shopify store, from a fake that answers real GraphQL."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate

from pipeline.labels import publishing
from pipeline_tests.fakes.shopify import SCOPES, TOKEN, FakeShopify, running, schema
from pipeline_tests.flows.place import start
from pipeline_tests.labels.conftest import Shop

TEXTS = {
    "cart.title": "Your cart",
    "cart.items.one": "{{ count }} item",
    "cart.items.other": "{{ count }} items",
    "mark": "{{ x }}",
}


@pytest.fixture
def shopify() -> Iterator[FakeShopify]:
    with running(FakeShopify(scopes=(*SCOPES, "read_translations", "write_translations", "read_locales"))) as found:
        found.data.add_theme(TEXTS)
        found.data.add_theme({"big": "Big sale"})
        yield found


@pytest.fixture
def live(shop: Shop, shopify: FakeShopify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A live store whose theme is translated into German."""
    monkeypatch.setenv("SHOPIFY_API_URL", shopify.url)
    keys, file = tmp_path / "keys", tmp_path / "token.json"
    shop.place = shop.place.with_keys(keys)
    shop.place.cli("keys", "generate", "--file", str(keys), code=0)
    file.write_text(json.dumps({"access_token": TOKEN}))
    file.chmod(0o600)
    add = ("store", "add", "live", "--source", "shopify", "--domain", shopify.domain, "--credentials", str(file))
    shop.place.cli(*add, code=0)
    shop.place.cli("labels", "import", "live", code=0)
    shop.place.cli("labels", "translate", "live", "--to", "de", code=0)
    return shop


def publish(live: Shop, *arguments: str) -> dict[str, int]:
    found: dict[str, int] = live.place.summary("labels", "publish", "live", *arguments)["states"]
    return found


def there(shopify: FakeShopify, locale: str = "de") -> dict[str, str]:
    return {key: each["value"] for (_, spoken, key), each in shopify.translations.items() if spoken == locale}


GERMAN = {
    "cart.title": "Youro carto",
    "cart.items.one": "{{ count }} itemo",
    "cart.items.other": "{{ count }} itemso",
    "big": "Bigo saleo",
}


@pytest.mark.parametrize("name", ["SHOP_LOCALES", "PRESENT", "REGISTER"])
def test_documents_are_valid(name: str) -> None:
    own = Path(__file__).parents[1] / "fakes" / "shopify.graphql"
    for known in (schema(), build_schema(own.read_text(encoding="utf-8"))):
        assert [error.message for error in validate(known, parse(getattr(publishing, name)))] == []


def test_what_is_translated_is_in_the_shop_and_once(live: Shop, shopify: FakeShopify) -> None:
    assert publish(live, "--dry-run") == {"planned": 4} and there(shopify) == {}
    assert publish(live) == {"published": 4}
    assert there(shopify) == GERMAN
    assert shopify.calls["RegisterTranslations"] == 2  # one a resource
    assert publish(live) == {"unchanged": 4}
    assert shopify.calls["RegisterTranslations"] == 2
    noted = live.place.rows("SELECT count(*), count(value), count(sending) FROM published_labels")
    assert noted == [(4, 4, 0)]


def test_the_event_is_noted_once_a_change(live: Shop) -> None:
    publish(live)
    publish(live)
    events = live.place.rows("SELECT kind, subject, details, sent_at FROM notifications ORDER BY id")
    assert [event[0] for event in events] == ["labels_translated", "labels_published"]
    assert events[1][1:] == ("labels of live are published: 4 texts are new in the shop, 0 are left", {"published": 4}, None)


def test_a_text_that_changed_in_the_shop_is_not_published(live: Shop, shopify: FakeShopify) -> None:
    content = shopify.data.theme_texts[0]["translatableContent"][0]
    content |= {"value": "My cart", "digest": "f" * 64}
    done = live.place.summary("labels", "publish", "live")
    assert done["states"] == {"published": 3, "stale": 1} and "cart.title" not in there(shopify)
    assert "changed in the shop" in done["not_published"][0]["reason"]
    live.place.cli("labels", "import", "live", code=0)
    assert publish(live) == {"unchanged": 3}  # not yet translated again
    live.place.cli("labels", "translate", "live", code=0)
    assert publish(live) == {"published": 1, "unchanged": 3} and there(shopify)["cart.title"] == "Myo carto"


def test_a_text_that_changes_between_reading_and_writing_is_stale(live: Shop, shopify: FakeShopify) -> None:
    register = shopify.translationsRegister

    def changed(**arguments: Any) -> Any:
        shopify.data.theme_texts[0]["translatableContent"][0]["digest"] = "e" * 64
        return register(**arguments)

    shopify.translationsRegister = changed  # type: ignore[method-assign]
    assert publish(live) == {"published": 3, "stale": 1}


def test_words_of_people_in_the_shop_stay(live: Shop, shopify: FakeShopify) -> None:
    publish(live)
    place = next(place for place in shopify.translations if place[2] == "cart.title")
    shopify.translations[place]["value"] = "Warenkorb"
    assert publish(live) == {"kept": 1, "unchanged": 3} and there(shopify)["cart.title"] == "Warenkorb"
    assert publish(live, "--overwrite") == {"published": 1, "unchanged": 3}
    # What we wrote ourselves is replaced by a newer translation.
    live.place.cli("glossary", "add", "live", "cart", "--locale", "de", "--as", "Wagen", code=0)
    live.model.say = lambda item, locale: "Ihr Wagen"
    live.place.cli("labels", "translate", "live", code=0)
    assert publish(live) == {"published": 1, "unchanged": 3} and there(shopify)["cart.title"] == "Ihr Wagen"


def test_refused_keys_do_not_stop_the_others(live: Shop, shopify: FakeShopify) -> None:
    shopify.refused_values = ("Youro carto",)
    done = live.place.summary("labels", "publish", "live")
    assert done["states"] == {"published": 3, "refused": 1}
    assert done["not_published"] == [
        {"locale": "de", "key": "cart.title", "state": "refused",
         "reason": "Shopify: Value fails validation on resource (FAILS_RESOURCE_VALIDATION)"}
    ]  # fmt: skip


def test_a_shop_that_takes_fewer_keys_gets_fewer(live: Shop, shopify: FakeShopify) -> None:
    shopify.most_keys = 1
    assert publish(live) == {"published": 4} and there(shopify) == GERMAN


def test_more_keys_than_a_call_takes(live: Shop, shopify: FakeShopify) -> None:
    shopify.data.add_theme({f"k{i}": f"Text q{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(230)})
    live.place.cli("labels", "import", "live", code=0)
    live.place.cli("labels", "translate", "live", code=0)
    assert publish(live) == {"published": 234}
    assert shopify.calls["RegisterTranslations"] == 2 + 3


def test_a_language_that_the_shop_does_not_have_is_said(live: Shop, shopify: FakeShopify) -> None:
    live.place.cli("labels", "translate", "live", "--to", "pl", code=0)
    done = live.place.summary("labels", "publish", "live")
    assert done["states"] == {"published": 4, "no locale": 4}
    assert "Settings, Languages" in done["not_published"][0]["reason"]
    shopify.locales += ("pl",)
    assert publish(live, "--locale", "pl") == {"published": 4}


def test_missing_permissions_are_named_also_by_the_store_test(live: Shop, shopify: FakeShopify) -> None:
    live.place.cli("store", "test", "live", code=0)
    shopify.scopes = (*SCOPES, "read_translations", "read_locales")
    for command in (("labels", "publish", "live"), ("labels", "publish", "live", "--dry-run")):
        assert "lacks write_translations" in live.place.cli(*command).error
    assert "lacks write_translations" in live.place.cli("store", "test", "live", code=1).out
    shopify.scopes = (*SCOPES, "write_translations")
    assert "lacks read_locales" in live.place.cli("labels", "publish", "live").error


def test_a_store_of_files_is_told_to_export(shop: Shop) -> None:
    shop.add("en.json", '{"a": "Cart"}')
    shop.translate("--to", "de")
    assert "pipeline labels export shop" in shop.place.cli("labels", "publish", "shop").error


def die(original: Callable[..., Any], self: Any, rows: Any, what: str) -> Any:
    """Killed after the shop took it, before that is noted."""
    if what == "value" and rows:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, rows, what)


@pytest.mark.slow
def test_killed_publication(live: Shop, shopify: FakeShopify) -> None:
    child = start(live.place, "labels", "publish", "live", hooks={"pipeline.labels.publishing:Publisher._note": (die,)})
    assert child.killed()
    assert set(there(shopify)) == set(GERMAN) - {"big"}
    live.model.say = lambda item, locale: "Ihr Wagen" if "cart" in str(item) else None
    live.place.cli("glossary", "add", "live", "cart", "--locale", "de", "--as", "Wagen", code=0)
    live.place.cli("labels", "translate", "live", code=0)
    assert publish(live) == {"published": 2, "unchanged": 2}  # what the dead run wrote is ours, not people's
    assert there(shopify)["cart.title"] == "Ihr Wagen"
