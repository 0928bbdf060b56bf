"""The shipped taxonomy is whole; files of operators are read, or refused with the line and the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.listings.categories import release
from pipeline.listings.categories import taxonomy as module
from pipeline.listings.categories.taxonomy import read_taxonomy, shipped_words, shopify
from pipeline.model.errors import BadInputError, UsageError
from pipeline_tests.reference import reference

FOLDER = Path(module.__file__).parent


def test_the_shipped_taxonomy_is_whole() -> None:
    found = shopify()
    assert len(found.ids) == len(set(found.ids)) == len({found.full(row) for row in range(len(found.ids))}) == 10_595
    for key, path in zip(found.ids, found.paths, strict=True):
        assert path[:-1] == (found.paths[found.by_id[key.rpartition("-")[0]]] if "-" in key else ())
    assert all(number == "" or number.isdigit() for number in found.google)
    assert sum(number == "" for number in found.google) == 60
    assert all(any(path[: len(branch)] == branch for path in found.paths) for branch in shipped_words().rare)


def test_its_license_is_with_it() -> None:
    assert "Copyright (c) Shopify" in (FOLDER / "shopify.LICENSE").read_text()
    assert "shopify.LICENSE" in (FOLDER / "shopify.tsv").read_text().partition("\n")[0]


def test_it_is_the_published_one() -> None:
    lines = reference("taxonomy", "shopify_categories_2025-08.tsv").read_text().splitlines()[1:]
    published = {(row[0], row[1], row[3]) for row in (line.split("\t") for line in lines)}
    found = shopify()
    assert {(key, found.full(row), found.google[row]) for row, key in enumerate(found.ids)} == published


def test_google_numbers_are_google_s() -> None:
    lines = reference("taxonomy", "google_product_taxonomy_2021-09-21_en.tsv").read_text().splitlines()[1:]
    assert {number for number in shopify().google if number} <= {line.split("\t")[0] for line in lines}


def test_aliases_are_phrases_that_mean_something() -> None:
    found = shopify()
    for phrases in found.aliases.values():
        for phrase in phrases:
            assert phrase == phrase.strip().lower() and 1 <= len(phrase.split()) <= 4


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("aa-1-13-8", "Apparel & Accessories > Clothing > Clothing Tops > T-Shirts"),
        ("gid://shopify/TaxonomyCategory/aa-1-13-8", "Apparel & Accessories > Clothing > Clothing Tops > T-Shirts"),
        ("gid://shopify/TaxonomyCategory/aa-1-13-8-99-2", "Apparel & Accessories > Clothing > Clothing Tops > T-Shirts"),
        (" apparel & accessories>Clothing >  Dresses", "Apparel & Accessories > Clothing > Dresses"),
        ("gid://shopify/TaxonomyCategory/zz-1", None),
        ("Apparel & Accessories > Clothing > Togas", None),
        ("x" * 10_000, None),
        ("", None),
        (None, None),
    ],
)
def test_the_category_that_a_product_has(text: str | None, name: str | None) -> None:
    row = shopify().find(text)
    assert (None if row is None else shopify().full(row)) == name


@pytest.mark.parametrize(
    "content",
    [
        "id\tname\nSHIRT\tClothing > Shirts\nCUP\tKitchen > Cups\n",
        "# ours\nname,extra,ID\n\nClothing > Shirts,x,SHIRT\n\"Kitchen > Cups\",\"a,b\",CUP\n",
        "\ufeffcategory_id\tfull_name\r\nSHIRT\tClothing > Shirts\r\nCUP\tKitchen >Cups\r\n",
    ],
)  # fmt: skip
def test_files_of_operators(tmp_path: Path, content: str) -> None:
    file = tmp_path / "categories.tsv"
    file.write_text(content, newline="")
    found = read_taxonomy(file)
    assert list(found.ids) == ["SHIRT", "CUP"]
    assert [found.full(row) for row in range(2)] == ["Clothing > Shirts", "Kitchen > Cups"]
    assert found.name == "categories.tsv" and found.version == read_taxonomy(file).version


def test_google_s_own_format(tmp_path: Path) -> None:
    file = tmp_path / "taxonomy-with-ids.en-US.txt"
    file.write_text("# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Animals\n3237 - Animals > Live\n")
    assert list(read_taxonomy(file).ids) == ["1", "3237"]


def test_google_s_published_taxonomy_as_a_file() -> None:
    found = read_taxonomy(reference("taxonomy", "google_product_taxonomy_2021-09-21_en.tsv"))
    query = found.index.query()
    query.add("Ceramic Coffee Mug 12 oz")
    assert found.full(found.index.rank(query)[0].row).endswith("> Drinkware > Mugs")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no categories"),
        (b"id\tname\n", "has no categories"),
        (b"code\tlabel\n1\tA\n", "its first line must name the columns, among them id and name"),
        (b"id\tname\n1\tA\n1\tB\n", "line 3: the id 1 is in line 2 already"),
        (b"id\tname\n\tA\n", "line 2: the id must have 1 to 100 characters"),
        (b"id\tname\n" + b"x" * 101 + b"\tA\n", "line 2: the id must have"),
        (b"id\tname\n1\t\n", "line 2: the name, or a part of it, is empty"),
        (b"id\tname\n1\tA > > B\n", "line 2: the name, or a part of it, is empty"),
        (b"id\tname\n1\tA\x1b[2J\n", "line 2: there are control characters in it"),
        (b"id\tname\n1\t" + b" > ".join([b"A"] * 16) + b"\n", "line 2: the name has more than"),
        (b"id\tname\n1\t" + b"A" * 1001 + b"\n", "line 2: the name has more than"),
        (b"id\tname\n1\n", "line 2: it has no id and name"),
        (b'id,name\n1,"A\n', "line 2: it has no id and name"),
        (b"id\tname\n1\t\xff\xfe\n", "is not UTF-8 text (line 2)"),
        (b"1 - A\nnonsense\n", 'line 2 is not like "3237 - A > B"'),
        ("id\tname\n1\tA\n".encode("utf-16"), "is not UTF-8 text"),
        (b"PK\x03\x04\x00\x00", "its first line must name the columns"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "bad.tsv"
    file.write_bytes(content)
    with pytest.raises(BadInputError) as found:
        read_taxonomy(file)
    assert reason in str(found.value) and str(file) in str(found.value) and "\x1b" not in str(found.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for place in (tmp_path / "nothing.tsv", tmp_path):
        with pytest.raises(UsageError, match=r"cannot be read: .*; name another with the connection.s setting category_file"):
            read_taxonomy(place)


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    file = tmp_path / "many.tsv"
    file.write_text("id\tname\n1\tA\n2\tB\n3\tC\n")
    with pytest.raises(BadInputError, match="line 4: more than 2 categories"):
        read_taxonomy(file)
    monkeypatch.setattr(module, "MOST_BYTES", 5)
    with pytest.raises(BadInputError, match="more than 5; is it the right file"):
        read_taxonomy(file)


def test_the_shipped_file_is_what_the_release_command_makes_of_its_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two files of Shopify's repository, rebuilt from the shipped one in their own form."""
    shipped, known = (FOLDER / "shopify.tsv").read_text("utf-8"), shopify()
    rows = [f"gid://shopify/TaxonomyCategory/{key:<17}: {known.full(row)}" for row, key in enumerate(known.ids)]
    head = "# Shopify Product Taxonomy - Categories: 2025-08-unstable\n# Format: {GID} : {Ancestor name} > ...\n\n"
    rules = [
        {"input": {"product_category_id": key}, "output": {"product_category_id": [number]}}
        for key, number in zip(known.ids, known.google, strict=True)
        if number
    ]
    sources = [tmp_path / "categories.txt", tmp_path / "from_shopify.yml"]
    sources[0].write_text(head + "\n".join(rows) + "\n", "utf-8")
    sources[1].write_text(json.dumps({"output_taxonomy": "google/2021-09-21", "rules": rules}))
    assert release.main([str(file) for file in sources]) == 0
    assert capsys.readouterr().out == shipped
    for wrong in ([str(sources[1]), str(sources[0])], [str(tmp_path / "none"), str(sources[1])]):
        assert release.main(wrong) == 1
        assert capsys.readouterr().err.startswith("error: ")
    assert release.main([]) == 2
