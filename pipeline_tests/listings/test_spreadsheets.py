"""Files for spreadsheets come back as they were, in whatever form a spreadsheet saves them."""

from __future__ import annotations

import csv
import io
import string
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.listings.spreadsheets import read_rows, unknown, write_rows
from pipeline.model.errors import BadInputError

COLUMNS = ("product_id", "after", "decision")
ROWS = [
    {"product_id": "8123456789012", "after": "Schlüssel; groß, rund\nund \"neu\"\t'x'", "decision": "accept"},
    {"product_id": "p-1", "after": "=cmd()", "decision": ""},
    {"product_id": "-5", "after": "'quoted'", "decision": "reject"},
]
#: As Excel saves "CSV", "CSV UTF-8" and "Unicode text" in different countries, and other programs.
FORMS = [
    (encoding, mark, delimiter, end)
    for encoding, mark in (("utf-8", b""), ("utf-8-sig", b""), ("utf-16", b""), ("utf-16-be", b"\xfe\xff"))
    for delimiter in ",;\t"
    for end in ("\r\n", "\n")
]


def read(file: Path, needed: tuple[str, ...] = COLUMNS) -> list[dict[str, str]]:
    return [row for _, row in read_rows(file, needed, "pipeline suggestions export", 1_000_000)]


@pytest.mark.parametrize(("encoding", "mark", "delimiter", "end"), FORMS)
def test_every_form_that_a_spreadsheet_saves(tmp_path: Path, encoding: str, mark: bytes, delimiter: str, end: str) -> None:
    file = tmp_path / "review.csv"
    assert write_rows(file, COLUMNS, ROWS) == 3
    cells = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(cells)
    file.write_bytes(mark + out.getvalue().encode(encoding))
    assert read(file) == ROWS


def test_nothing_is_a_formula_or_a_number_that_would_be_rounded(tmp_path: Path) -> None:
    write_rows(tmp_path / "review.csv", COLUMNS, ROWS)
    text = (tmp_path / "review.csv").read_text(encoding="utf-8-sig")
    assert "'8123456789012," in text and "'=cmd()" in text and "'-5," in text


TEXTS = st.text(st.characters(exclude_characters="\0\r", exclude_categories=("Cs",))) | st.text(f"=+-@\t'{string.digits}")


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, TEXTS)), max_size=5))
def test_what_is_written_is_read(rows: list[dict[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "review.csv"
        write_rows(file, COLUMNS, rows)
        assert read(file) == rows


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no column product_id and no after and no decision (it is empty; commas, semicolons or tabs"),
        (b"sku;text\n1;2\n", "its first line begins 'sku;text'"),
        ("product_id;after;decision\n1;ü;accept\n".encode("cp1252"), "is neither UTF-8 nor UTF-16 text; save it as CSV UTF-8"),
        (b'product_id;after;decision\n1;"2;accept\n', "is not a CSV file (line 2: unexpected end of data)"),
        (b"x" * 1_000_001, "is larger than 1000000 bytes"),
    ],
)
def test_other_files_are_refused_with_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "review.csv"
    file.write_bytes(content)
    with pytest.raises(BadInputError) as refused:
        read(file)
    assert sentence in str(refused.value)


def test_an_id_that_was_rounded_is_said() -> None:
    assert "rounded" in unknown("8,12346E+12", "no such product") and "rounded" in unknown("8.12E+12", "no such product")
    assert unknown("p-1", "no such product") == "no such product"
