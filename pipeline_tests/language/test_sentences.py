"""Where sentences and clauses end, for all that reads texts piece by piece. In the examples, "/" stands where one ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.reading.sentences import clauses, sentences, side_by_side, spans


@pytest.mark.parametrize(
    "text",
    [
        "Dishwasher safe. / Not for ovens! / Why? / Oak.",
        'Er sagt: „Gut.“ / Dann (nicht für Kinder.) / Und "so". / Ende',
        "Il dit « oui. » / Il part.",
        "« Prends-en deux ! ». / Fin",
        '"Wow!" she says. / Loading… please wait. / Soft... and warm',
        "Oiled. / or say royal. / Size M. / Wash at 30. / Pack of 10. / Dry",
        "Max. 50 Nm, ca. 5 kg inkl. Deckel, z. B. Tee, d. h. Kräuter, e.g. Tea, i. d. R. Holz. / Ende",
        "Article no. 5 (art. no. 12), Nr. 7. / Is it safe? / No. / Use it.",
        "Am 3. Mai, bis 24. 12., im 18. Jahrhundert. / Ende",
        "1. Rinse well. / 2. Dry.",
        "12 in. wide, 5 oz. cup. / 5 l. / Hose of 6 m. / 420 l/h. / Fits",
        "Open from 9 a.m. to 5 p.m. / Closed on Sunday. / Care with steam. / oven safe",
        "Cups, plates etc. and more. / Cups, plates etc. / Made in Spain",
        "Mit 24 Std. Laufzeit, 6 Stk. Gläser, Gr. 50. / Brennt 45 Std. / Nicht allein lassen. / Dauer: 3 Std.",
        "By J. Smith. / It doesn't. / Version 2.5 is at shop.example now",
    ],
)
def test_where_sentences_end(text: str) -> None:
    assert sentences(text.replace(" / ", " ")) == text.split(" / ")


def test_lines_and_signs_of_lists_end_a_sentence() -> None:
    assert sentences("Mug\n\n• Holds 350 ml • Oak\r\n✓ Max.\n5 kg") == ["Mug", "Holds 350 ml", "Oak", "Max.", "5 kg"]
    assert sentences("日本。中国！「はい。」いいえ") == ["日本。", "中国！", "「はい。」", "いいえ"]
    assert sentences("Iron | cast iron") == ["Iron | cast iron"]  # a row of a table says one thing


def test_clauses() -> None:
    assert clauses("Care: hand wash (cold); dry flat – never iron. Size | M, 2:1, well-made") == [
        "Care", "hand wash (cold)", "dry flat", "never iron.", "Size", "M, 2:1, well-made",
    ]  # fmt: skip


def test_sentences_stand_side_by_side_where_both_have_as_many() -> None:
    assert list(side_by_side("Oak. Not for ovens.", "Eiche. Nicht für Öfen.")) == [
        ("Oak.", "Eiche."), ("Not for ovens.", "Nicht für Öfen."),
    ]  # fmt: skip
    assert list(side_by_side("Oak. Warm.", "Eiche, warm.")) == [("Oak. Warm.", "Eiche, warm.")]


def test_dashes_end_a_remark() -> None:
    text = "Oak – in German say ebony – oiled. Warm"
    assert [text[start:end] for start, end in spans(text, 0, len(text), dashes=True)] == [
        "Oak", "in German say ebony", "oiled.", "Warm",
    ]  # fmt: skip


_PIECES = st.sampled_from([".", "!", "…", "。", " ", "\n", "•", " – ", "»", '"', ")", "ca", "z. B.", "3", "in", "Oak", "it", "'"])


@given(st.lists(_PIECES, max_size=40).map("".join), st.booleans())
def test_nothing_is_lost_between_sentences(text: str, dashes: bool) -> None:
    at = 0
    for start, end in spans(text, 0, len(text), dashes=dashes):
        assert start < end and text[start:end] == text[start:end].strip()
        assert not text[at:start].strip(" \n•–")
        at = end
    assert not text[at:].strip(" \n•–")
