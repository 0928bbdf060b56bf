"""A sentence transformer of a few words: its vector of a word is looked up in a table. Written as bytes of ONNX, so that tests
need no package to make it and no download."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_DELIMITED, _FLOAT, _INT64 = 2, 1, 7


def write_model(folder: Path, words: Mapping[str, Sequence[float]]) -> Path:
    """`model.onnx` and `tokenizer.json` with a vector for each word; all others are nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    size = len(next(iter(words.values())))
    table = np.array([[0.0] * size, *words.values()], np.float32)
    (folder / "model.onnx").write_bytes(_gather(table))
    vocabulary = {"[UNK]": 0, **{word: number for number, word in enumerate(words, 1)}}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def _gather(table: np.ndarray) -> bytes:
    """A graph of one node, Gather(table, input_ids), in the fields of onnx.proto."""
    tensor = (
        b"".join(_number(1, size) for size in table.shape) + _number(2, _FLOAT) + _text(8, "table") + _bytes(9, table.tobytes())
    )
    node = _text(1, "table") + _text(1, "input_ids") + _text(2, "last_hidden_state") + _text(4, "Gather")
    inputs = _value("input_ids", _INT64, ("batch", "sequence"))
    outputs = _value("last_hidden_state", _FLOAT, ("batch", "sequence", table.shape[1]))
    graph = _bytes(1, node) + _text(2, "words") + _bytes(5, tensor) + _bytes(11, inputs) + _bytes(12, outputs)
    return _number(1, 8) + _bytes(8, _number(2, 13)) + _bytes(7, graph)


def _value(name: str, kind: int, shape: Sequence[str | int]) -> bytes:
    sizes = b"".join(_bytes(1, _number(1, one) if isinstance(one, int) else _text(2, one)) for one in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, sizes)))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _DELIMITED) + _varint(len(content)) + content


def _text(field: int, content: str) -> bytes:
    return _bytes(field, content.encode())
