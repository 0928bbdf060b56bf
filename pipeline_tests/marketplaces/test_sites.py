"""Finding marketplaces and sites, and what their data files promise."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from pipeline import marketplaces
from pipeline.marketplaces import find_site, load_marketplaces
from pipeline.marketplaces.options import concept, label
from pipeline.model.errors import PipelineError, UsageError
from pipeline.model.listing import Site


@pytest.fixture
def plug_ins(monkeypatch):
    """Pretend that packages with these entry points are installed."""

    def install(**objects):
        monkeypatch.setitem(sys.modules, "shop_plug_in", SimpleNamespace(**objects))
        points = [EntryPoint(name, f"shop_plug_in:{name}", marketplaces.ENTRY_POINT_GROUP) for name in objects]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
        load_marketplaces.cache_clear()

    yield install
    load_marketplaces.cache_clear()


def _market(name: str, key: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, sites={key: Site(key, name, "1", "US", "USD", "en-US", "NA", {})})


def test_find_site_knows_the_marketplace_and_the_site():
    market, site = find_site("amazon-us")
    assert (market.name, site.marketplace_id, site.currency) == ("amazon", "ATVPDKIKX0DER", "USD")
    market, site = find_site("ebay-de")
    assert (market.name, site.extra["site_id"], site.language) == ("ebay", "77", "de-DE")


def test_an_unknown_site_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"'amazon-xx' is not a known marketplace.*amazon-us.*ebay-us"):
        find_site("amazon-xx")


def test_marketplaces_are_loaded_once():
    assert load_marketplaces() is load_marketplaces()


def test_a_plug_in_adds_its_sites(plug_ins):
    plug_ins(shop=_market("shop", "shop-us"))
    market, site = find_site("shop-us")
    assert (market.name, site.country) == ("shop", "US")


@pytest.mark.parametrize("name, key", [("amazon", "shop-us"), ("shop", "ebay-us")])
def test_a_plug_in_cannot_take_a_known_name_or_site(plug_ins, name, key):
    plug_ins(shop=_market(name, key))
    with pytest.raises(PipelineError, match=r"shop .*repeats a known name or site"):
        load_marketplaces()


def test_a_broken_plug_in_is_named(plug_ins):
    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("no license")

    plug_ins(broken=Broken)
    with pytest.raises(PipelineError, match=r"broken .*no license"):
        load_marketplaces()


def test_every_site_has_the_form_that_partitions_and_feeds_need():
    for market in load_marketplaces().values():
        for key, site in market.sites.items():
            assert key == site.key and re.fullmatch(rf"{market.name}-[a-z-]+", key)
            assert re.fullmatch(r"[A-Z]{3}", site.currency) and re.fullmatch(r"[A-Z]{2}", site.country)
            assert re.fullmatch(r"[a-z]{2}-[A-Z]{2}", site.language)
    assert {"site_id", "site", "gtin_field", "no_gtin", "unbranded", "location"} <= set(find_site("ebay-us")[1].extra)


def test_the_sites_are_all_there():
    markets = load_marketplaces()
    assert len(markets["amazon"].sites) == 23
    assert len(markets["ebay"].sites) == 19
    assert len({site.marketplace_id for site in markets["amazon"].sites.values()}) == 23
    assert len({site.extra["site_id"] for site in markets["ebay"].sites.values()}) == 19


@pytest.mark.parametrize(
    "name, meaning",
    [
        ("Color", "color"),
        ("COLOUR", "color"),
        ("Farbe", "color"),
        (" Größe ", "size"),
        ("TALLA", "size"),
        ("Ring_Size", "ring_size"),
    ],
)
def test_option_names_have_a_meaning_in_any_language_and_case(name, meaning):
    assert concept(name) == meaning


def test_labels_speak_the_language_of_the_site():
    assert label("COLOUR", "de-DE") == "Farbe"
    assert label("Farbe", "en-US") == "Color"
    assert label("Farbe", "sv-SE") == "Color"  # no Swedish label: English
    assert label("heel_height", "de-DE") == "Heel height"
