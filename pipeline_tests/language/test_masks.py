"""What is protected in a text, and that hiding and showing it again changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.translation import icu
from pipeline.language.translation.masks import has_letters, mask, placeholders, spans


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ count }} items", ["{{count}}"]),
        ("{{{ html }}} and {{count}}", ["{{{html}}}", "{{count}}"]),
        ("{% if a %}x{% endif %}", ["{%if a%}", "{%endif%}"]),
        ("%{name} has {0} of {total, number}", ["%{name}", "{0}", "{total,number}"]),
        ("%s of %2$d, %(name)s, %@, %%", ["%s", "%2$d", "%(name)s", "%@", "%%"]),
        ("${a.b} $t(common.key) %count% {}", ["${a.b}", "$t(common.key)", "%count%", "{}"]),
        ("50% discount, 20%off, 100%", []),
        ("{color: red} [x] :name", []),
    ],
)
def test_placeholders(text: str, found: list[str]) -> None:
    assert placeholders(text) == found


def test_tags_with_attributes_addresses_and_terms_are_hidden_plain_tags_are_not() -> None:
    masked = mask({"": 'Acme: <a href="/x">mail</a> <b>us</b> at a@b.de, see https://a.de/x.'}, ["ACME"])
    assert masked.forms[""] == "⟦1⟧: ⟦2⟧mail⟦3⟧ <b>us</b> at ⟦4⟧, see ⟦5⟧."
    assert masked.spans == ("Acme", '<a href="/x">', "</a>", "a@b.de", "https://a.de/x")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "AB-1234-X, WH-1000XM4 WH1000XM4! (SAVE10) iPhone15 A4/A5",
            ["AB-1234-X", "WH-1000XM4", "WH1000XM4", "SAVE10", "iPhone15", "A4/A5"],
        ),
        ("W32/L34 wh-1000xm4 CO2 IP67 USB-3.0 12345-RED", ["W32/L34", "wh-1000xm4", "CO2", "IP67", "USB-3.0", "12345-RED"]),
        ("WH-1000XM4-Kopfhörer, 适用于WH1000XM4耳机", ["WH-1000XM4", "WH1000XM4"]),
        ("5cm 500ml 2x x2 100% 3D 1st 3er-Pack 2-in-1 40x30cm 10m2 g/m2 9h30 1950s 24h 128GB", []),
        ("9 AM-5 PM, SALE-50%, top-10, Größe4, &frac12;&#xA0;, USB-C, T-Shirt, 2024-05-06", []),
        (
            "www.evil.com, evil.example! EVIL.COM sub.evil.co.uk t.co/abc HTTPS://E.X/a",
            ["www.evil.com", "evil.example", "EVIL.COM", "sub.evil.co.uk", "t.co/abc", "HTTPS://E.X/a"],
        ),
        ("访问evil.com查看 müller.de a@b.de", ["evil.com", "müller.de", "a@b.de"]),
        ("e.g. this, z.B. das, i.e. p.m. U.S. No.5 Mug.It is nice.Really; sq.ft St.Gallen and/or", []),
    ],
)  # fmt: skip
def test_codes_and_addresses(text: str, found: list[str]) -> None:
    assert [span.text for span in spans(text)] == found


def test_one_span_has_one_number_in_all_forms() -> None:
    masked = mask({"one": "{{ n }} item", "other": "{{ n }} items, {{ m }}"})
    assert masked.forms == {"one": "⟦1⟧ item", "other": "⟦1⟧ items, ⟦2⟧"}


def test_invented_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="⟦2⟧"):
        mask({"": "{a}"}).unmask("⟦1⟧ ⟦2⟧")


_PARTS = st.sampled_from(
    [
        "{{ x }}",
        "{%",
        "%}",
        "%s",
        "%",
        "<b>",
        "</b>",
        '<a href="x">',
        "<",
        "⟦1⟧",
        "⟦",
        "⟧",
        "https://a.b/c",
        "www.a.b",
        "a@b.cd",
        "AB-12",
        "{",
        "}",
        "&amp;",
    ]
)


@given(parts=st.lists(_PARTS | st.text(max_size=5), max_size=12), term=st.text(max_size=3))
def test_unmasking_gives_the_text_back(parts: list[str], term: str) -> None:
    text = "".join(parts)
    masked = mask({"": text}, [term])
    assert masked.unmask(masked.forms[""]) == text


@pytest.mark.parametrize("text", ["", "12,50 €", "{{ count }}", "<br>", "— %s —"])
def test_nothing_to_translate(text: str) -> None:
    assert not has_letters(text)


@pytest.mark.parametrize(
    "part", ["{{", "<a", "{%", "⟦", "%(", "a@", "http://", "{ , ", "<!--", "x.", "%{", "$t(", "A1-", "A-", "aA1", "a1.", "a.de/"]
)
def test_hostile_texts_do_not_hang(part: str) -> None:
    text = part * (50_000 // len(part))
    assert mask({"": text}).unmask(mask({"": text}).forms[""]) == text


def test_icu_message_as_sentences_and_back() -> None:
    message = icu.parse("You have {count, plural, =0 {nothing} one {# item} other {# items it''s}} {name}!")
    assert message.forms == {
        "=0": "You have nothing {name}!", "one": "You have {#} item {name}!", "other": "You have {#} items it's {name}!",
    }  # fmt: skip
    written = message.rebuild({"one": "l'article {#}", "other": "{#} articles"})
    assert written == "{count, plural, one {l''article #} other {# articles}}"
    assert icu.parse(message.rebuild(message.forms)).forms == message.forms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{n, plural, one {x}}", "other"),
        ("{n, plural, one {x} other {y}", "brace"),
        ("{n, plural, one {x", "not closed"),
        ("{n, selectordinal, other {#th}}", "ordinal"),
        ("{n, plural, other {{g, select, other {x}}}}", "not supported"),
        ("{n, plural, other {x}} {m, plural, other {y}}", "not supported"),
        ("{n, plural, other {'{'x'}'}}", "quoted"),
    ],
)
def test_icu_that_is_not_supported_says_so(text: str, said: str) -> None:
    assert icu.is_message(text)
    with pytest.raises(ValueError, match=said):
        icu.parse(text)


def test_simple_arguments_are_no_message() -> None:
    assert not icu.is_message("{name} bought {count, number} items")
