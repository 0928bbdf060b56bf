"""`store test` of a PIM: everything that would keep an import from working is said, each in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_tests.catalog.akeneo.helpers import source
from pipeline_tests.catalog.akeneo.sample import attribute, fill
from pipeline_tests.fakes.akeneo import CREDENTIALS, FakeAkeneo


@pytest.fixture
def fake() -> Iterator[FakeAkeneo]:
    with FakeAkeneo() as found:
        yield fill(found)


def problem(fake: FakeAkeneo, **settings: Any) -> str:
    (found,) = source(fake, **settings).check()
    return found


def test_a_pim_that_works_has_no_problem(fake: FakeAkeneo) -> None:
    assert source(fake).check() == []
    assert sum(fake.calls.values()) <= 12


def test_credentials(fake: FakeAkeneo) -> None:
    said = problem(fake, secret="a-wrong-secret")
    assert "refuses the credentials" in said and "a-wrong-secret" not in said


def test_channel_locale_and_currency(fake: FakeAkeneo) -> None:
    assert problem(fake, channel="shop") == "there is no channel shop in the PIM; known channels: ecommerce, print."
    assert problem(fake, locale="fr_FR") == "the channel ecommerce does not have the locale fr_FR, only en_US, de_DE."
    assert problem(fake, currency="CHF") == "the channel ecommerce does not have the currency CHF, only USD, EUR."
    fake.locales["en_US"]["enabled"] = False
    assert problem(fake) == "the locale en_US is not active in the PIM."


def test_roles(fake: FakeAkeneo) -> None:
    assert problem(fake, attributes={"gtin": "eam"}) == "gtin: there is no attribute eam; there is ean."
    assert problem(fake, attributes={"price": "name"}) == (
        "price: the attribute name is of the type pim_catalog_text; it must be price_collection."
    )
    fake.attributes["name"]["available_locales"] = ["de_DE"]
    assert problem(fake, attributes={"title": "name"}) == "title: the attribute name has no en_US, only de_DE."


def test_a_role_that_nobody_plays(fake: FakeAkeneo) -> None:
    fake.attributes = {"sku": fake.attributes["sku"], "label": attribute("label", "text")}
    for item in [*fake.products.values(), *fake.models.values()]:
        item["values"] = {}
    assert source(fake, attributes={"title": "label"}).check() == [
        "price: no attribute is named and none of the usual ones is there; name it: --attribute price=CODE."
    ]


def test_rights_are_named_each(fake: FakeAkeneo) -> None:
    fake.forbidden = {"families", "product-models"}
    found = source(fake).check()
    assert len(found) == 2
    assert all("give its role the Web API right to list" in said for said in found)
    assert "families" in found[0] and "product-models" in found[1]


def test_what_the_user_may_not_see(fake: FakeAkeneo) -> None:
    del fake.categories["master"]
    for code in ("clothes", "mugs"):
        fake.categories[code]["parent"] = None
    assert "does not see the category tree master of the channel ecommerce" in problem(fake)


def test_an_empty_channel(fake: FakeAkeneo) -> None:
    fake.products.clear()
    assert "the channel ecommerce shows no product" in problem(fake)


def test_an_old_version(fake: FakeAkeneo) -> None:
    fake.version = "5.0.3"
    assert problem(fake) == "the PIM is Akeneo 5.0.3; version 7 or newer is needed."


def test_a_pim_that_is_down(fake: FakeAkeneo) -> None:
    fake.fail("*", 1, 503, 1000)
    said = problem(fake)
    assert "akeneo failed (HTTP 503" in said
    assert not [secret for secret in CREDENTIALS.values() if secret in said]
