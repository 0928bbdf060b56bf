"""Candidates of the words put in another order by what they mean: sentence vectors of a model that an operator names.

Off unless `CATEGORY_RERANK_MODEL` names a folder with `model.onnx` and `tokenizer.json` of a sentence transformer (measured
with all-MiniLM-L6-v2 in int8) and the extra `rerank` is installed. Nothing is downloaded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.listings.categories.index import Match
from pipeline.listings.categories.taxonomy import Taxonomy
from pipeline.listings.categories.text import Query
from pipeline.model.errors import PipelineError, UsageError
from pipeline.settings import rerank_model

#: Bump when the same model and words lead to another order.
VERSION = "1"
#: How many candidates of the words are looked at, and what nearness counts beside the share of the best one's score: both
#: chosen on the development sets of docs/decisions/0023.
CANDIDATES, _WEIGHT = 40, 1.5
#: How sure the first one is at most where the words had one of another branch first, and those after it.
_MOVED, _OTHERS = 0.7, 0.5
_FILES = ("model.onnx", "tokenizer.json")
_MOST_BYTES, _MOST_TOKENS, _BATCH = 600_000_000, 128, 64
_UNUSED_SECONDS = 90 * 86_400

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """A sentence transformer: texts to vectors of length one."""

    tokenizer: Any
    session: Any
    wanted: frozenset[str]  # names of its inputs

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """One row a text: the mean of its words' vectors."""
        found = self.tokenizer.encode_batch([text[:2_000] for text in texts])
        given = {
            "input_ids": np.array([one.ids for one in found], np.int64),
            "attention_mask": np.array([one.attention_mask for one in found], np.int64),
            "token_type_ids": np.array([one.type_ids for one in found], np.int64),
        }
        words = self.session.run(None, {name: value for name, value in given.items() if name in self.wanted})[0]
        mask = given["attention_mask"][:, :, np.newaxis]
        means = (words * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        made: Vectors = (means / np.maximum(lengths, 1e-9)).astype(np.float32)
        return made


@dataclass(frozen=True)
class Reranker:
    """The model's files as they were read, and the folder in which vectors of category names are kept."""

    model: bytes = field(repr=False)
    tokenizer: bytes = field(repr=False)
    source: Path
    cache: Path
    _known: dict[str, Vectors] = field(default_factory=dict, repr=False)  # of taxonomies, by version

    @cached_property
    def version(self) -> str:
        """Changes when the same product may get another order of candidates."""
        return sha256(VERSION.encode() + sha256(self.model).digest() + sha256(self.tokenizer).digest()).hexdigest()

    @cached_property
    def encoder(self) -> Encoder:
        """Raises UsageError for files that are no sentence transformer."""
        try:
            return _encoder(self.model, self.tokenizer)
        except Exception as error:  # the libraries raise many kinds, also plain Exception
            said = " ".join(str(error).split())[:200]
            raise UsageError(
                f"the files {' and '.join(_FILES)} in {self.source} are no sentence transformer that can be used ({said}); "
                "correct CATEGORY_RERANK_MODEL, or unset it"
            ) from None

    def rank(self, taxonomy: Taxonomy, query: Query, text: str, most: int) -> list[Match]:
        """The candidates of the words for `text`, the best first."""
        found = taxonomy.index.rank(query, max(CANDIDATES, most))
        if not found or not text.strip():
            return found[:most]
        rows = [match.row for match in found]
        near = self._vectors(taxonomy)[rows] @ self.encoder.vectors([text])[0]
        scores = np.array([match.score for match in found]) / found[0].score + _WEIGHT * near
        order = np.argsort(-scores, kind="stable")[:most].tolist()
        words, first = found[0], found[order[0]]
        same = taxonomy.index.related(first.row, words.row)  # then it is right as often as the words' first one
        sure = words.confidence if same else min(words.confidence, _MOVED)
        others = (found[place] for place in order[1:])
        return [replace(first, confidence=sure), *(replace(one, confidence=min(one.confidence, sure, _OTHERS)) for one in others)]

    def _vectors(self, taxonomy: Taxonomy) -> Vectors:
        if taxonomy.version not in self._known:
            path = self.cache / f"{sha256(f'{self.version} {taxonomy.version}'.encode()).hexdigest()[:40]}.npy"
            kept = _load(path, len(taxonomy.paths))
            if kept is None:
                kept = _vectors_of(self.encoder, [" ".join(reversed(names[-2:])) for names in taxonomy.paths])
                _keep(path, kept)
            self._known[taxonomy.version] = kept
        return self._known[taxonomy.version]


def configured_reranker(data_dir: Path) -> Reranker | None:
    """As the environment says; None when it says nothing. Raises UsageError for an absent model or extra."""
    folder = rerank_model()
    if folder is None:
        return None
    if any(find_spec(name) is None for name in ("onnxruntime", "tokenizers")):
        raise UsageError(
            "CATEGORY_RERANK_MODEL needs the extra `rerank`; install it with: .venv/bin/pip install '.[rerank]', or unset it"
        )
    model, tokenizer = (_read(folder / name) for name in _FILES)
    return Reranker(model, tokenizer, folder, data_dir / "vectors")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} has more than {_MOST_BYTES:,} bytes; correct CATEGORY_RERANK_MODEL, or unset it")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}; CATEGORY_RERANK_MODEL must be a folder with {' and '.join(_FILES)}"
        ) from None


def _encoder(model: bytes, tokenizer: bytes) -> Encoder:
    import onnxruntime
    from tokenizers import Tokenizer

    splitter = Tokenizer.from_str(tokenizer.decode("utf-8"))
    splitter.enable_truncation(_MOST_TOKENS)
    splitter.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # runs of several stores share the machine
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    made = Encoder(splitter, session, frozenset(one.name for one in session.get_inputs()))
    if not made.wanted <= {"input_ids", "attention_mask", "token_type_ids"}:
        raise ValueError(f"it wants {', '.join(sorted(made.wanted))}")
    probe = made.vectors(["one", "two words"])
    if probe.ndim != 2 or len(probe) != 2 or not np.isfinite(probe).all():
        raise ValueError("its answer is not one vector a word")
    return made


def _vectors_of(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """About 2 ms of CPU a name; similar lengths together, because the shorter ones of a batch are filled up."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    made: Vectors | None = None
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        found = encoder.vectors([texts[row] for row in rows])
        if made is None:
            made = np.zeros((len(texts), found.shape[1]), np.float32)
        made[rows] = found
    if made is None:
        raise PipelineError("there are no categories to compare with")
    return made


def _load(path: Path, rows: int) -> Vectors | None:
    """Vectors that were kept; None where there are none that can be used."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.float32 and found.ndim == 2 and len(found) == rows else None


def _keep(path: Path, vectors: Vectors) -> None:
    """For the next run; those that other models and taxonomies had long ago go."""
    half = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(half, vectors, allow_pickle=False)
        half.replace(path)
        for other in path.parent.glob("*.npy"):
            if other.stat().st_mtime < time.time() - _UNUSED_SECONDS:
                other.unlink(missing_ok=True)
    except OSError as error:
        raise PipelineError(f"{path.parent} cannot be written: {error.strerror}; is the disk full?") from None
