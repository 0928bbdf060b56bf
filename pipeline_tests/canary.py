"""Finding secrets where none may be: values that exist nowhere else are planted as secrets, then everything is searched for them.

Each is searched in every form that code gives to a text on its way: as it is, in JSON, in a URL, in base64 (at each of its
three alignments, as within a Basic header), in hex. Compressed files are opened, Parquet is read, tables are cast to text.
`test_canary.py` proves that a planted value is found in each of these places.
"""

from __future__ import annotations

import base64
import io
import logging
import re
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from pipeline.platform.database import Database

_GZIP, _ZSTD, _ZIP, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1"
_MAX_DEPTH = 5
_MAX_OPENED = 512 << 20


@dataclass(frozen=True)
class Hit:
    """A secret that was found."""

    kind: str
    form: str
    where: str


class Canaries:
    """Planted secrets, and the search for them."""

    def __init__(self) -> None:
        self._forms: dict[bytes, tuple[str, str]] = {}
        self._pattern = re.compile(rb"(?!)")

    def plant(self, kind: str, end: str = '/+&="é%') -> str:
        """A new secret text of this kind. Its end is what quoting and escaping change; its middle is what is searched."""
        core = f"CANARY-{kind}-{uuid.uuid4()}"
        self._add(kind, core.encode())
        return f"{core}{end}"

    def plant_bytes(self, kind: str, value: bytes) -> None:
        """Search for these bytes too, such as a master key."""
        self._add(kind, value)

    def find(self, content: bytes | str, where: str) -> list[Hit]:
        """What is in `content`, and in what it contains in packed form."""
        return list(
            dict.fromkeys(self._find(content.encode("utf-8", "replace") if isinstance(content, str) else content, where, 0))
        )

    def in_files(self, root: Path, allowed: Sequence[Path] = ()) -> list[Hit]:
        """What is in the files below a folder, and in their names; `allowed` are where a secret belongs (the key file)."""
        hits = []
        for path in sorted(root.rglob("*")):
            hits += self.find(str(path.relative_to(root)), f"name of {path}")
            if path.is_file() and path not in allowed:
                try:
                    content = path.read_bytes()
                except FileNotFoundError:  # a database file that has gone meanwhile
                    continue
                hits += self.find(content, str(path))
        return hits

    def in_database(self, database: Database) -> list[Hit]:
        """What is in any column of any table or view of any schema, and in what the server tells of running statements."""
        hits = []
        with database.connect(autocommit=True) as connection:
            columns = connection.execute(
                "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
                " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
                " OR (table_schema, table_name) = ('pg_catalog', 'pg_stat_activity')"
            ).fetchall()
            for schema, table, column, kind in columns:
                where = f"{schema}.{table}.{column}"
                value = (
                    sql.SQL("{}").format(sql.Identifier(column))
                    if kind == "bytea"
                    else sql.SQL("{}::text").format(sql.Identifier(column))
                )
                query = sql.SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(
                    value, sql.Identifier(schema, table), sql.Identifier(column)
                )
                for (found,) in connection.execute(query):
                    hits += self.find(bytes(found) if kind == "bytea" else found, where)
        return list(dict.fromkeys(hits))

    def in_processes(self) -> list[Hit]:
        """What is in the arguments of any process that is running here now."""
        hits = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            hits += self.find("\0".join(process.info["cmdline"] or ()), f"arguments of process {process.pid}")
        return hits

    def _add(self, kind: str, value: bytes) -> None:
        forms = {"plain": value, "hex": value.hex().encode(), "HEX": value.hex().upper().encode()}
        for shift in range(3):
            # Only those characters that no neighbor has a part in.
            text = base64.b64encode(bytes(shift) + value)
            inner = text[-(-shift * 8 // 6) : (shift + len(value)) * 8 // 6]
            forms[f"base64 +{shift}"] = inner
            forms[f"base64url +{shift}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
        self._forms |= {text: (kind, form) for form, text in reversed(forms.items())}
        self._pattern = re.compile(b"|".join(map(re.escape, sorted(self._forms, key=len, reverse=True))))

    def _find(self, content: bytes, where: str, depth: int) -> Iterator[Hit]:
        for match in self._pattern.finditer(content):
            yield Hit(*self._forms[match[0]], where)
        if depth < _MAX_DEPTH:
            for name, inner in _opened(content):
                yield from self._find(inner, f"{where} > {name}", depth + 1)


def _opened(content: bytes) -> Iterator[tuple[str, bytes]]:
    """What is inside of packed content, by its first bytes; nothing for other or broken content."""
    try:
        if content.startswith(_GZIP):
            yield "gzip", zlib.decompressobj(31).decompress(content, _MAX_OPENED)
        elif content.startswith(_ZSTD):
            with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
                yield "zstd", b"".join(iter(lambda: stream.read(1 << 20), b""))
        elif content.startswith(_ZIP):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                yield "names", "\n".join(archive.namelist()).encode()
                for name in archive.namelist():
                    with archive.open(name) as file:
                        yield name, file.read(_MAX_OPENED)
        elif content.startswith(_PARQUET):
            sink = pa.BufferOutputStream()  # plain buffers, with all metadata
            table = pq.read_table(io.BytesIO(content))
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            yield "parquet", sink.getvalue().to_pybytes()
            yield "parquet's metadata", repr(pq.read_metadata(io.BytesIO(content)).metadata).encode()
    except (OSError, zlib.error, zipfile.BadZipFile, pa.ArrowException):
        return


@contextmanager
def recorded_logs(level: int = logging.INFO) -> Iterator[list[str]]:
    """Every record that any logger emits at `level` or above meanwhile, formatted with its exception."""
    lines: list[str] = []
    format_ = logging.Formatter("%(name)s %(levelname)s %(message)s")

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(format_.format(record))

    root, recorder = logging.getLogger(), Recorder(level)
    before = root.level
    root.addHandler(recorder)
    root.setLevel(min(level, before))
    try:
        yield lines
    finally:
        root.removeHandler(recorder)
        root.setLevel(before)
