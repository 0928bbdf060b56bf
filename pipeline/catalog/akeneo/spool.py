"""Lines on disk that can be read again in any order: what is too much for memory while products are joined with their models."""

from __future__ import annotations

import os
import tempfile
from array import array
from pathlib import Path
from types import TracebackType

_BUFFER = 1 << 20


class Spool:
    """Append lines, then read them by their index; costs 16 bytes of memory a line. A context: the file goes at its end."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._starts = array("q", [0])
        self._numbers = array("q")
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._numbers)

    def append(self, number: int, line: bytes) -> int:
        """The index of the line; `number` is its number in the source."""
        self._numbers.append(number)
        self._starts.append(self._starts[-1] + len(line))
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= _BUFFER:
            self._write()
        return len(self._numbers) - 1

    def read(self, index: int) -> tuple[int, bytes]:
        """(number, line)."""
        if self._waiting:
            self._write()
        start, end = self._starts[index], self._starts[index + 1]
        return self._numbers[index], os.pread(self._file.fileno(), end - start, start)

    def _write(self) -> None:
        self._file.write(b"".join(self._waiting))
        self._file.flush()
        self._waiting, self._waiting_bytes = [], 0
