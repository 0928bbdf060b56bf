"""Candidates in order of meaning: with a small model of our own, its vectors kept on disk, and files that are no model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.listings.categories.propose import Proposer
from pipeline.listings.categories.ranker import Ranker
from pipeline.listings.categories.rerank import Reranker, configured_reranker
from pipeline.listings.categories.taxonomy import Taxonomy, read_taxonomy
from pipeline.model.errors import UsageError
from pipeline_tests.listings.categories.onnx_model import write_model
from pipeline_tests.listings.categories.test_propose import entry, propose
from pipeline_tests.listings.fakes import export_settings

FILE = "id\tname\nBOTTLE\tBaby > Bottles\nFLASK\tKitchen > Insulated Flasks\nLAMP\tHome > Lamps\n"
#: "thermos" is near flasks; the words alone know only "bottle".
WORDS = {"thermos": [1, 0, 0], "insulated": [1, 0, 0], "flasks": [1, 0, 0], "baby": [0, 1, 0], "lamps": [0, 0, 1]}
NOTHING_INSTALLED = "the extra `rerank` is not installed"


@pytest.fixture
def file(tmp_path: Path) -> Taxonomy:
    (tmp_path / "types.tsv").write_text(FILE)
    return read_taxonomy(tmp_path / "types.tsv")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = write_model(tmp_path / "model", WORDS)
    monkeypatch.setenv("CATEGORY_RERANK_MODEL", str(made))
    return made


def reranker(tmp_path: Path) -> Reranker:
    for package in ("onnxruntime", "tokenizers"):
        pytest.importorskip(package, reason=NOTHING_INSTALLED)
    found = configured_reranker(tmp_path / "data")
    assert found is not None
    return found


def test_off_unless_asked_for(tmp_path: Path) -> None:
    assert configured_reranker(tmp_path) is None


def test_without_the_extra_it_says_what_to_install(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[rerank\]', or unset it"):
        configured_reranker(tmp_path)


def test_meaning_goes_before_words_but_is_less_sure(folder: Path, tmp_path: Path, file: Taxonomy) -> None:
    product = entry(title="Thermos flask bottle")
    assert propose(product, file=file).category == "BOTTLE"
    found = propose(product, file=file, ranker=Ranker(reranker=reranker(tmp_path)))
    assert (found.category, found.status) == ("FLASK", "suggested") and found.confidence is not None and found.confidence <= 0.7
    assert list(found.candidates) == ["FLASK", "BOTTLE"]
    agreed = propose(entry(title="Bottle"), file=file, ranker=Ranker(reranker=reranker(tmp_path)))
    assert agreed.confidence == propose(entry(title="Bottle"), file=file).confidence
    assert propose(entry(title="Xyzzy"), file=file, ranker=Ranker(reranker=reranker(tmp_path))).status == "none"


def test_vectors_of_a_taxonomy_are_made_once(folder: Path, tmp_path: Path, file: Taxonomy) -> None:
    query = file.index.query()
    query.add("thermos flask bottle")

    def first() -> int:
        return reranker(tmp_path).rank(file, query, "thermos flask bottle", 1)[0].row

    assert first() == 1
    (kept,) = (tmp_path / "data" / "vectors").iterdir()
    np.save(kept, np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32))  # what is there is what is used
    assert first() == 0
    for broken in (b"", b"\x93NUMPY", b"junk" * 99):
        kept.write_bytes(broken)
        assert first() == 1
    np.save(kept, np.zeros((2, 3), np.float32))  # of another taxonomy
    assert first() == 1
    write_model(folder, {**WORDS, "new": [0, 1, 1]})
    assert first() == 1
    assert len(list((tmp_path / "data" / "vectors").iterdir())) == 2


def test_another_model_is_another_version(folder: Path, tmp_path: Path) -> None:
    def fingerprint(ranker: Ranker) -> bytes:
        return Proposer("shop", "amazon-us", export_settings(), ranker=ranker).fingerprint

    one = Ranker(reranker=reranker(tmp_path))
    assert fingerprint(one) == fingerprint(Ranker(reranker=reranker(tmp_path))) != fingerprint(Ranker())
    write_model(folder, {**WORDS, "new": [0, 1, 1]})
    assert fingerprint(Ranker(reranker=reranker(tmp_path))) != fingerprint(one)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe\x00", b'{"version": "1.0", "model": {"type": "BPE"}}', b"\x08" * 500])
def test_files_that_are_no_model(folder: Path, tmp_path: Path, file: Taxonomy, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=r"no sentence transformer that can be used .*; correct CATEGORY_RERANK_MODEL"):
        propose(entry(title="Bottle"), file=file, ranker=Ranker(reranker=reranker(tmp_path)))


def test_a_model_that_answers_with_something_else(folder: Path, tmp_path: Path, file: Taxonomy) -> None:
    write_model(folder, {word: [float("nan")] * 3 for word in ("one", "two", "words")})
    with pytest.raises(UsageError, match="its answer is not one vector a word"):
        propose(entry(title="Bottle"), file=file, ranker=Ranker(reranker=reranker(tmp_path)))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_file_that_is_absent(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UsageError, match=rf"{name} cannot be read: No such file"):
        reranker(tmp_path)
