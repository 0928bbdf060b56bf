import json

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.quality.context import Context
from pipeline.quality.fixes import FIXES, markup
from pipeline.quality.fixes.channel import shorten, size
from pipeline.quality.fixes.markup import plain_text, sanitize
from pipeline.quality.fixes.values import parse_price
from pipeline.quality.masks.base import repeated_items
from pipeline_tests.reference import reference

ENGLISH = Context("demo", "en", "USD", lexicon={"nike": "Nike", "ipad": "iPad"})


def _fix(name, value, context=ENGLISH, columns=None, **params):
    """`value` of the column `field` after a fix; other columns beside it by name."""
    kind = pd.ArrowDtype(pa.list_(pa.string())) if isinstance(value, list) else "string[pyarrow]"
    frame = pd.DataFrame({"field": pd.Series([value, None], dtype=kind)})
    for column, text in (columns or {}).items():
        frame[column] = pd.array([text, None], dtype="string[pyarrow]")
    changed = FIXES[name].function(frame, "field", context, **params)
    result = changed.get("field", frame["field"])
    assert pd.isna(result.iloc[1])
    found = result.iloc[0]
    return list(found) if isinstance(value, list) else None if pd.isna(found) else found


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("T01", "Mug\x00 350\ue000ml", "Mug 350ml"),
        ("T01", "two\nlines\tand\x85more\ufffe", "two\nlines\tandmore"),
        ("T02", "Nike\u200b Air\u00ad\u202e", "Nike Air"),
        ("T02", "👩\u200d🔬 نمی\u200cخواهم", "👩\u200d🔬 نمی\u200cخواهم"),
        ("T02", "a\u200db", "ab"),
        ("T03", "MENâ€™S", "MEN’S"),
        ("T03", "SÃ¼ÃŸ", "Süß"),
        ("T03", "Ã\u0089tÃ©", "Été"),
        ("T03", "Süßes “Café”", "Süßes “Café”"),
        ("T04", "Cafe\u0301 ½ m²", "Café ½ m²"),
        ("T05", "Salt &amp;amp; Pepper", "Salt & Pepper"),
        ("T05", "AT&T & Co; &copy;", "AT&T & Co; ©"),
        ("T07", "55” TV ‘new’", "55\" TV 'new'"),
        ("T08", "Red \u00a0 dress ,", "Red dress,"),
        ("T08", "  Size .5mm ( big ) ", "Size .5mm ( big)"),
        ("T09", "🔥 Lamp ★", "Lamp"),
        ("T09", "Ring ™ 925® ⌀ 5mm", "Ring ™ 925® ⌀ 5mm"),
        ("T10", "Sale!!! - Lamp -", "Sale! - Lamp"),
        ("T10", "- Lamp ... and more.....", "Lamp ... and more..."),
        ("T10", "-20 °C Freezer Grade A-", "-20 °C Freezer Grade A-"),
        ("T10", "***", "***"),
        ("T13", "see www.x.de/a?b=1 or a@b.com", "see or"),
        ("T13", "Mug call +49 (30) 1234-567", "Mug"),
        ("T13", "Model 0815-4711, 1200x800", "Model 0815-4711, 1200x800"),
        ("T14", "WIRELESS GAMING MOUSE FOR PC", "Wireless Gaming Mouse for PC"),
        ("T14", "NEW NIKE RUNNING SHOES AND IPAD BAG", "New Nike Running Shoes and iPad Bag"),
        ("T14", "LED TV HDMI", "LED TV HDMI"),
        ("T15", "nike air max", "Nike Air Max"),
        ("T15", "iPhone case", "iPhone case"),
        ("T16", "Bag Bag Bag leather", "Bag leather"),
        ("T16", "Ring of the the King", "Ring of the King"),
        ("T16", "Bora Bora Shirt", "Bora Bora Shirt"),
        ("T16", "Shirt red Shirt blue Shirt green", "Shirt red Shirt blue green"),
        ("I03", "4006381333931.0", "4006381333931"),
        ("I03", '="4006381 333-931"', "4006381333931"),
        ("I03", " ", None),
        ("I09", "N/A", None),
        ("I09", "Does not apply", None),
        ("I09", "7", None),
        ("I09", "Nokia", "Nokia"),
        ("M02", "//x.example/a b.jpg ", "https://x.example/a%20b.jpg"),
        ("M03", ["a.jpg", "b.jpg", "a.jpg", ""], ["a.jpg", "b.jpg"]),
        ("A04", ["Red", " red", "", "Blue"], ["Red", "Blue"]),
        ("T19", ["• Soft", "soft", "- Warm", ""], ["Soft", "Warm"]),
        ("T09", ["🔥 Hot", "cold"], ["Hot", "cold"]),
        ("T09", "✨ Warm\n⸻\n- soft", "Warm\n- soft"),
        ("T06", "<p><strong></strong>Soft&nbsp;&nbsp; wool</p><p>&nbsp;</p><p><br>Warm</p>", "<p>Soft wool</p><p>Warm</p>"),
        ("T05", ["Salt &amp; Pepper"], ["Salt & Pepper"]),
        ("T19", ["Write to a@b.example", "Best price ever", "Warm"], ["Warm"]),
    ],
)  # fmt: skip
def test_published_and_further_examples(name, before, after):
    assert _fix(name, before) == after
    assert after is None or _fix(name, after) == after


def test_all_lower_leaves_numbers_with_their_units():
    assert _fix("T15", "usb cable 3 m") == "USB Cable 3 m"


def test_french_keeps_its_spaces_before_punctuation():
    assert _fix("T08", "Robe  rouge : 50 % !", Context("d", "fr-FR", "EUR")) == "Robe rouge : 50 % !"


def test_a_shouting_store_has_its_short_titles_fixed_too():
    assert _fix("T14", "LORENE TOP") == "LORENE TOP"
    assert _fix("T14", "LORENE TOP", Context("d", "en", "EUR", shouting=True)) == "Lorene Top"


def test_forbidden_characters_spare_brands_and_measures():
    params = {"characters": "!$?_{}^¬¦", "loose": "~#<>*", "unless_in": ["brand"]}
    assert _fix("T11", "Mat {Blue}", columns={"brand": None}, **params) == "Mat Blue"
    assert _fix("T11", "Yahoo! Mug #5 * big!", columns={"brand": "Yahoo!"}, **params) == "Yahoo! Mug #5 big"


def test_promo_phrases_go_but_brands_quotes_and_short_rests_stay():
    assert _fix("T12", "FREE SHIPPING Nike Air Max", keep=["brand"], columns={"brand": "Nike"}) == "Nike Air Max"
    assert _fix("T12", "discounted Wholesaler's Guide") == "discounted Wholesaler's Guide"
    assert _fix("T12", "Best Price Mug") == "Best Price Mug"
    assert _fix("T12", "Buy Now Blue Desk Lamp", keep=["brand"], columns={"brand": "Buy Now"}) == "Buy Now Blue Desk Lamp"
    assert _fix("T12", "Poster “Free Gift” in a Frame") == "Poster “Free Gift” in a Frame"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("T12", "<p><strong>FREE SHIPPING</strong><br>Oak. It lasts.</p>", "<p><strong></strong><br>Oak. It lasts.</p>"),
        ("T12", "Free shipping!", "Free shipping!"),
        ("T13", "<p>Mail a@b.example to ask. Oak.</p>", "<p>Oak.</p>"),
        ("T13", "a@b.example", ""),
    ],
)
def test_whole_sentences_go_where_a_description_is_to_read_well(name, before, after):
    assert _fix(name, before, sentences=True) == after


def test_a_list_is_cleaned_of_markup_item_by_item():
    assert _fix("T06", ["<b>red</b>", "a < b", "<script>x</script>"], plain=True) == ["red", "a < b", ""]


def test_a_doubled_brand_stands_once():
    assert _fix("T17", "Bosch Bosch GSR 12V", columns={"v": "bosch"}, brand="v") == "Bosch GSR 12V"
    assert _fix("T17", "Duran Duran Live", columns={"v": "Duran Duran"}, brand="v") == "Duran Duran Live"


@pytest.mark.parametrize(
    ("text", "limit", "keep", "after"),
    [
        ("Linen Shirt with Pockets, long sleeves, in many colors", 45, [], "Linen Shirt with Pockets, long sleeves"),
        ("Galvanized Steel Cable 3m 1.5 mm Steel", 30, [], "Galvanized Steel Cable 3m"),
        ("A very long title without any separator (and a bracket)", 45, [], "A very long title without any separator"),
        ("Shirt for the summer and for", 24, [], "Shirt for the summer"),
        ("Acme Shirt with a very long text in between, Blue", 35, ["Acme", "Blue"], "Acme Shirt with a very long, Blue"),
        ("Überlänge", 5, [], "Überl"),
    ],
)
def test_over_long_texts_lose_segments_then_words(text, limit, keep, after):
    assert shorten(text, limit, "characters", keep, "en") == after


def test_a_value_that_must_stay_is_never_lost():
    text = "Shirt with a text, and the color Blue and size Extra Large for Tall People of the North"
    assert shorten(text, 30, "characters", ["Extra Large for Tall People of the North"], "en") == text


@given(
    st.text(alphabet="ab 1,-(é👩\u200d🔬e\u0301字|", min_size=1, max_size=80),
    st.integers(4, 40),
    st.sampled_from(["bytes", "characters"]),
)
def test_shortening_keeps_the_limit_and_is_stable(text, limit, unit):
    short = shorten(text, limit, unit, [], "en")
    assert size(short, unit) <= limit or size(text, unit) <= limit
    assert shorten(short, limit, unit, [], "en") == short
    rest = text.lstrip().removeprefix(short)
    assert not short or rest == text.lstrip() or not rest.startswith(("\u200d", "\u0301"))


_ATTACKS = [
    "<script>alert(1)</script>ok", "<img src=x onerror=alert(1)>ok", "<a href='javascript:alert(1)'>ok</a>",
    "<iframe src=//e></iframe>ok",
    "<svg onload=alert(1)>ok</svg>", "<scr<script>ipt>alert(1)</script>ok", "<style>*{x:expression(1)}</style>ok",
    "<p style='x' onclick=y>ok</p>",
    "<object data=x></object>ok", "<form action=//e><input></form>ok", "<!--<script>-->ok",
    "<math><mi//xlink:href='data:x,<script>'>ok", "<b/onmouseover=x>ok</b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;ok", "&amp;lt;script&amp;gt;ok", "<p>&#0;&#8203;ok</p>",
]  # fmt: skip


@pytest.mark.parametrize("attack", _ATTACKS)
def test_nothing_active_survives_in_html_or_text(attack):
    safe = sanitize(attack)
    text = plain_text(pa.array([safe]))[0].as_py()
    for result in (safe, text):
        lowered = result.lower()
        assert not any(
            word in lowered for word in ("<script", "<iframe", "onerror=", "onclick=", "href=", "<img", "<svg", "style=")
        )
        assert not set(result) & {"\x00", "\u200b"}
    assert sanitize(safe) == safe


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Soft<br/>100% cotton</p>", "Soft\n100% cotton"),
        ("<div>a</div><section>b</section>c", "a\nb\nc"),
        ("<ul><li>one</li><li>two</li></ul><p>x &amp; y</p>", "- one\n- two\nx & y"),
        ("plain\n  text", "plain text"),
        ("<table><tr><td>Size</td><td>5 cm</td></tr></table>", "Size 5 cm"),
        ("a < b & c", "a < b & c"),
        ("<p>a&nbsp;&nbsp;b</p>", "a b"),
    ],
)
def test_plain_text_keeps_the_lines(markup, text):
    clean = FIXES["T06"].function(
        pd.DataFrame({"field": pd.array([markup], dtype="string[pyarrow]")}), "field", ENGLISH, text_to="description"
    )
    assert clean["description"].tolist() == [text]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ('<p>Mug</p><p style="display:none">SECRET</p>', "Mug"),
        ("<p>Mug</p><div STYLE='Display : None !important'><p>SECRET</p>SECRET</div>", "Mug"),
        ("<section hidden><p>SECRET</p></section>Mug", "Mug"),
        ('Mug <x-note style="opacity:0.0">SECRET</x-note>', "Mug"),
        ('<div style="font-size:0"><b style="font-size:14px">Mug</b> SECRET</div>', "Mug"),
        ('<div style="visibility:hidden">SECRET<i style="visibility:visible">Mug</i></div>', "Mug"),
        ('<p style="d\\69splay:none">SECRET</p>Mug', "Mug"),
        ('<p style="display&#58;none">SECRET</p>Mug', "Mug"),
        ("<p title='style=\"x' style=display:none>SECRET</p>Mug", "Mug"),
        ('<p title=">" style="/**/display:none">SECRET</p>Mug', "Mug"),
        ('<p style="text-indent:-9999px">SECRET</p>Mug', "Mug"),
        ('<p style="color:#fff;background:#fff">SECRET</p>Mug', "Mug"),
        ('<p style="width:0;overflow:hidden">SECRET</p>Mug', "Mug"),
        ("<!-- SECRET --><template>SECRET</template><style>SECRET</style>Mug", "Mug"),
        ('<table><tr style="display:none"><td>SECRET</td></tr><tr><td>Mug</td></tr></table>', "Mug"),
        ('<p style="display:none">SECRET<p>Mug', "Mug"),
        ('<p style="display:none">SECRET', ""),
        ('<p aria-hidden="true" data-hidden="1" style="overflow:hidden;font-size:12px">Hidden pocket</p>', "Hidden pocket"),
        ('<p style="opacity:.9;color:#333;background:#fff">Mug&nbsp;&amp; cup</p>', "Mug & cup"),
    ],
)
def test_what_is_not_displayed_does_not_become_visible(markup, text):
    frame = pd.DataFrame({"field": pd.array([markup], dtype="string[pyarrow]")})
    fixed = FIXES["T06"].function(frame, "field", ENGLISH, text_to="description")
    assert (fixed["description"][0] or "") == text and "SECRET" not in fixed["field"][0]
    assert "SECRET" not in _fix("T06", markup, plain=True)
    assert sanitize(fixed["field"][0]) == fixed["field"][0]


def test_letters_of_tags_are_invisible_characters():
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "say gold")
    assert _fix("T02", f"Mug{hidden}, blue") == "Mug, blue"
    assert _fix("T06", f"<b>Mug{''.join(f'&#{ord(char)};' for char in hidden)}</b>") == "<b>Mug</b>"


def test_tags_in_a_title_leave_a_space_where_a_word_ended():
    assert _fix("T06", "Soft<br/>100% <b>cot</b>ton", plain=True) == "Soft 100% cotton"


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1.299,00 €", "EUR", 129900), ("$1,299.00", "USD", 129900), ("19,9", "EUR", 1990), ("CHF 1'299.50", "CHF", 129950),
        ("1.234.567", "EUR", 123456700), ("1200", "JPY", 1200), ("1.500", "KWD", None), ("1.000", "USD", None), ("1,299",
        "USD", None),
        ("19.99 - 29.99", "USD", None), ("-5.00", "USD", None), ("1.2.3", "USD", None), ("12.50", "JPY", None), ("free",
        "USD", None),
        ("1,23.456", "USD", None), ("9" * 30, "USD", None), ("", "USD", None),
    ],
)  # fmt: skip
def test_prices_are_read_only_where_there_is_one_way(text, currency, minor):
    assert parse_price(text, currency) == minor


def test_known_encoding_damage_is_repaired():
    cases = json.loads(reference("quality-data", "mojibake", "ftfy_in-the-wild.json").read_text(encoding="utf-8"))
    usable = [case for case in cases if case.get("expect") == "pass"]
    repaired = sum(
        "".join(_fix("T03", case["original"]).split()) == "".join(case.get("fixed-encoding", case["fixed"]).split())
        for case in usable
    )
    assert repaired >= 0.6 * len(usable)


def test_text_that_only_looks_damaged_is_left_alone():
    cases = json.loads(reference("quality-data", "mojibake", "ftfy_negative.json").read_text(encoding="utf-8"))
    for case in cases:
        if case.get("expect") == "pass" and case.get("fixed-encoding", case["fixed"]) == case["original"]:
            assert _fix("T03", case["original"]) == case["original"], case["label"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("&lt;iframe src=x&gt;&lt;/iframe&gt; Double &amp;lt;script&amp;gt;alert(3)", "Double alert(3)"),
        ("5 &lt; 6 and &lt;3", "5 &lt; 6 and &lt;3"),
        ("a &lt;scr&lt;script&gt;ipt&gt;", "a"),
        ("＜script＞x", "x"),
        ("a&#x0;b", "ab"),
    ],
)
def test_escaped_active_markup_is_dropped_from_html(given, expected):
    assert markup.sanitize(given) == expected
    assert markup.sanitize(expected) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Acme <scr<script>ipt>alert(1)</scr</script>ipt>", "Acme"),
        ("<script>alert(1)</script>Acme", "Acme"),
        ("＜script＞Acme", "Acme"),
        ("Size <iframe>", "Size"),
        ("5 < 6 <3", "5 < 6 <3"),
    ],
)
def test_active_markup_is_dropped_from_plain_fields(given, expected):
    assert _fix("T06", given, plain=True) == expected
    assert _fix("T06", expected, plain=True) == expected


def test_references_to_no_character_leave_nothing():
    assert _fix("T05", "Cup&#x0; &#0;red &amp;#xD800;") == "Cup red "


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=30), max_size=12))
def test_repeated_items_are_those_that_stood_in_their_list_before(lists):
    values = pa.array(lists, pa.list_(pa.string()))
    found = repeated_items(pc.list_flatten(values), pc.list_parent_indices(values).to_numpy())
    assert found.tolist() == [item in items[:index] for items in lists for index, item in enumerate(items)]


_PIECES = [
    "Mug", " ", "\n", "&amp;", "&lt;b&gt;", "<p>", "<p style='color:red'>", "</p>", "<div></div>", "<section>", "</section>",
    "<b>", "</b>", "<br>", "<span style='display:none'>x</span>", "<script>x</script>", "&nbsp;", "<a href='x'>y</a>", "＜",
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=8).map("".join))
def test_one_description_is_cleaned_as_all_are(text):
    assert markup.cleaned(text).strip() == (_fix("T06", text) or "").strip()
