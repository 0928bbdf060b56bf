"""Sources as data: what is stored of their settings, which credentials they take, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.errors import UsageError
from pipeline.model.secret import Secret
from pipeline.stores.sources import SHOPIFY_API_VERSION, SOURCES, source_kind
from pipeline.stores.stores import check_source

PIM = {"base_url": "https://pim.example.com", "channel": "ecommerce", "locale": "en_US"}


@pytest.mark.parametrize(
    "text",
    [
        "my-shop", "my-shop.myshopify.com", " MY-SHOP.myshopify.com ",
        "https://my-shop.myshopify.com/", "my-shop.myshopify.com/admin",
        "http://my-shop.myshopify.com/?x=1", "https://admin.shopify.com/store/my-shop",
        "https://admin.shopify.com/store/my-shop/products",
    ],
)  # fmt: skip
def test_a_shop_has_one_domain_however_it_is_written(text: str) -> None:
    assert check_source("shopify", {"domain": text}) == {"domain": "my-shop.myshopify.com"}


@pytest.mark.parametrize(
    "text",
    [
        "shop.example.com", "my_shop", "-shop", "my-shop.myshopify.com.evil.com", "evil.com/my-shop.myshopify.com", "",
        "user@my-shop.myshopify.com", "my-shop.myshopify.com:8080", "my-shop.myshopify.com/admin/x", "a" * 64, "127.0.0.1",
        "evil.com#.myshopify.com", "evil.com\\.myshopify.com", "https://admin.shopify.com/store/", "a\nb", "localhost:80",
    ],
)  # fmt: skip
def test_a_token_is_never_sent_to_another_host(text: str) -> None:
    with pytest.raises(UsageError):
        check_source("shopify", {"domain": text})


@given(st.text(max_size=80))
def test_a_legal_domain_is_always_shopifys(text: str) -> None:
    try:
        domain = check_source("shopify", {"domain": text})["domain"]
    except UsageError:
        return
    name, _, rest = domain.partition(".")
    assert rest == "myshopify.com" and name.isascii() and name.replace("-", "").isalnum()


def test_only_what_was_set_is_stored_and_the_rest_follows_the_defaults() -> None:
    stored = check_source("shopify", {"domain": "a", "api_version": None})
    assert source_kind("shopify").complete(stored) == {
        "domain": "a.myshopify.com", "api_version": SHOPIFY_API_VERSION, "location_ids": None,
    }  # fmt: skip


def test_locations_are_numbers() -> None:
    given = {"domain": "a", "location_ids": ["gid://shopify/Location/12", "34", "12"]}
    assert check_source("shopify", given)["location_ids"] == ["12", "34"]


def test_a_pim_is_kept_in_one_form() -> None:
    roles = {"title": "name", "images": "front", "gtin": "ean"}
    stored = check_source("akeneo", {**PIM, "base_url": "https://PIM.example.com:8443/root/", "attributes": roles})
    assert stored["base_url"] == "https://pim.example.com:8443/root"
    assert stored["attributes"] == {"title": "name", "images": ["front"], "gtin": "ean"}


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("shopify", {}, "needs the shop's domain: --domain"),
        ("shopify", {"domain": "a", "api_version": "2026-11"}, "YYYY-MM"),
        ("shopify", {"domain": "a", "api_version": "unstable"}, "YYYY-MM"),
        ("shopify", {"domain": "a", "location_ids": ["x"]}, "locations are"),
        ("shopify", {"domain": "a", "location_ids": []}, "locations are"),
        ("shopify", {"domain": "a", "access_token": "CANARY"}, "'access_token' is not a setting"),
        ("akeneo", {}, "needs the address of the PIM: --url"),
        ("akeneo", {**PIM, "channel": None}, "needs the channel"),
        ("akeneo", {**PIM, "channel": "a b"}, "code of a channel"),
        ("akeneo", {**PIM, "locale": "english"}, "locale of Akeneo"),
        ("akeneo", {**PIM, "base_url": "http://pim.example.com"}, "https://"),
        ("akeneo", {**PIM, "base_url": "http://127.0.0.1:8080"}, "https://"),
        ("akeneo", {**PIM, "base_url": "https://user:CANARY@pim.example.com"}, "without credentials"),
        ("akeneo", {**PIM, "base_url": "https://pim.example.com/?key=CANARY"}, "without credentials"),
        ("akeneo", {**PIM, "base_url": "https://pim.example.com:99999"}, "cannot be read"),
        ("akeneo", {**PIM, "base_url": "https://[pim"}, "cannot be read"),
        ("akeneo", {**PIM, "base_url": "https://evil.com\\.pim.example.com"}, "not an address"),
        ("akeneo", {**PIM, "attributes": {"tittle": "name"}}, "known roles: title"),
        ("akeneo", {**PIM, "attributes": {"title": ["a", "b"]}}, "takes one attribute code"),
        ("akeneo", {**PIM, "attributes": {"title": "a-b"}}, "code of an attribute"),
    ],
)
def test_settings_that_cannot_work_are_refused(source: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        check_source(source, settings)
    assert "CANARY" not in str(error.value) and len(str(error.value)) < 400


def secrets(*names: str) -> dict[str, Secret]:
    return {name: Secret(f"CANARY-{name}") for name in names}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("shopify", ["access_token"]),
        ("shopify", ["access_token", "webhook_secret"]),
        ("shopify", ["client_id", "client_secret"]),
        ("shopify", ["client_secret", "client_id", "webhook_secret"]),
        ("akeneo", ["client_id", "client_secret", "username", "password"]),
    ],
)
def test_accepted_credentials(source: str, names: list[str]) -> None:
    SOURCES[source].credentials.check(source, secrets(*names))


@pytest.mark.parametrize(
    ("source", "names", "message"),
    [
        ("shopify", [], "takes access_token, or client_id and client_secret .and, if there is one, webhook_secret."),
        ("shopify", ["webhook_secret"], "not complete"),
        ("shopify", ["client_id"], "not complete"),
        ("shopify", ["access_token", "client_id", "client_secret"], "more than one kind"),
        ("shopify", ["access_token", "CANARY-value-as-name"], "unknown name"),
        ("akeneo", ["client_id", "client_secret", "username"], "client_id, client_secret, username and password"),
        ("shopify-file", ["access_token"], "takes no credentials"),
    ],
)
def test_other_credentials_are_refused_without_a_value(source: str, names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        SOURCES[source].credentials.check(source, secrets(*names))
    assert "CANARY" not in str(error.value)


@pytest.mark.parametrize("value", ["", "  ", "a\nCANARY", "CANARY\x00", "CANARY\u2028", "CANARY\udcff", "x" * 8193])
def test_a_value_that_no_header_can_carry_is_refused_by_name(value: str) -> None:
    with pytest.raises(UsageError, match="access_token") as error:
        SOURCES["shopify"].credentials.check("shopify", {"access_token": Secret(value)})
    assert "CANARY" not in str(error.value)
