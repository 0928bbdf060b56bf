"""Theme texts of a live Shopify store, from a fake that answers real GraphQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_tests.fakes.shopify import SCOPES, TOKEN, FakeShopify, running
from pipeline_tests.labels.conftest import Shop

TEXTS = {
    "general.cart.title": "Your cart",
    "general.cart.items.one": "{{ count }} item",
    "general.cart.items.other": "{{ count }} items",
    "general.note": None,
}


@pytest.fixture
def shopify() -> Iterator[FakeShopify]:
    with running(FakeShopify(scopes=(*SCOPES, "read_translations"))) as found:
        for number in range(7):  # more than a page
            found.data.add_theme({**TEXTS, "own": f"Theme {number}"})
        yield found


@pytest.fixture
def live(shop: Shop, shopify: FakeShopify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SHOPIFY_API_URL", shopify.url)
    keys, file = tmp_path / "keys", tmp_path / "token.json"
    shop.place = shop.place.with_keys(keys)
    shop.place.cli("keys", "generate", "--file", str(keys), code=0)
    file.write_text(json.dumps({"access_token": TOKEN}))
    file.chmod(0o600)
    add = ("store", "add", "live", "--source", "shopify", "--domain", shopify.domain, "--credentials", str(file))
    shop.place.cli(*add, code=0)
    return shop


def test_theme_texts_are_read_page_by_page_with_their_digests(live: Shop, shopify: FakeShopify) -> None:
    done = live.place.summary("labels", "import", "live")
    assert (done["file"]["resource"], done["file"]["locale"], done["labels"]) == ("theme", "en", 28)
    assert [row["reason"] for row in done["rejected"]] == ["Shopify gives no text or no digest for it"] * 7
    assert shopify.calls["ThemeTexts"] == 2
    rows = live.place.table("ui_labels", "live").arrow().to_pylist()
    digests = {text["digest"] for theme in shopify.data.theme_texts for text in theme["translatableContent"]} - {None}
    assert {row["digest"] for row in rows} == digests
    number = shopify.data.theme_texts[0]["resourceId"].rpartition("/")[2]
    assert [(row["key"], row["form"]) for row in rows[:3]] == [
        (f"{number}/general.cart.title", None),
        (f"{number}/general.cart.items", "one"),
        (f"{number}/general.cart.items", "other"),
    ]


def test_translations_are_written_as_what_shopify_registers(live: Shop, shopify: FakeShopify) -> None:
    live.place.cli("labels", "import", "live", code=0)
    live.place.cli("labels", "translate", "live", "--to", "pl", code=0)
    files = live.place.summary("labels", "export", "live", "--locale", "pl", "--out", str(live.folder / "out"))["files"]
    found = json.loads(Path(files[0]["path"]).read_text())["translations"]
    theme = shopify.data.theme_texts[0]
    digests = {text["key"]: text["digest"] for text in theme["translatableContent"]}
    assert [row for row in found if row["resourceId"] == theme["resourceId"]] == [
        {"resourceId": theme["resourceId"], "key": key, "value": value, "locale": "pl", "translatableContentDigest": digests[key]}
        for key, value in (
            ("general.cart.title", "Youro carto"), ("general.cart.items.one", "{{ count }} itemo"),
            ("general.cart.items.other", "{{ count }} itemso"), ("own", "Themeo 0"),
        )
    ]  # fmt: skip


def test_the_same_texts_of_many_themes_are_asked_for_once(live: Shop) -> None:
    live.place.cli("labels", "import", "live", code=0)
    live.place.cli("labels", "translate", "live", "--to", "de", code=0)
    assert len(live.model.items) == 1 + 2 + 7


def test_missing_permission_and_wrong_store(live: Shop, shopify: FakeShopify) -> None:
    assert "no live Shopify store" in live.place.cli("labels", "import", "shop").error
    shopify.scopes = SCOPES
    said = live.place.cli("labels", "import", "live").error
    assert "read_translations" in said and "pipeline store test live" in said
    tried = live.place.cli("store", "test", "live", code=0).out
    assert "store live can be imported" in tried and "optional: the app lacks the permission read_translations" in tried
    said = live.place.summary("store", "test", "live")["optional"]
    assert [name in text for name, text in zip(("read_translations", "read_themes"), said, strict=True)] == [True, True]
