"""Master keys: which are accepted, where they lie, who may read the file, and that none of them is shown."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.vault.key_files import add_key, load_keys, open_vault, promote_key, read_key_file, remove_key
from pipeline.platform.vault.keys import KeyFormatError, Keyring, parse_keys
from pipeline.settings import Settings

PLACEHOLDER = "your-32-byte-encryption-key-change-in-production"
KEY = bytes(range(32))
OTHER = bytes(range(200, 232))


def text(key: bytes = KEY) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (f"k1:{text()}", ("k1",)),
        (f"k2:{text(OTHER)},k1:{text()}", ("k2", "k1")),
        (f"# comment\n\n  k2 : {text(OTHER)}  \r\nk1:{text()}\n", ("k2", "k1")),
        (f"k1:{text().rstrip('=')}", ("k1",)),
        (f"{'k' * 32}:{text()}", ("k" * 32,)),
        (f"0_a-b:{base64.urlsafe_b64encode(OTHER).decode()}", ("0_a-b",)),
    ],
)
def test_keys_that_are_accepted(content: str, names: tuple[str, ...]) -> None:
    ring = parse_keys(content, "FILE")
    assert (ring.names, ring.primary) == (names, names[0])


def test_both_alphabets_are_one_key() -> None:
    key = bytes([251, 255, 190]) * 10 + bytes(range(2))
    key = key[:24] + bytes(range(8))
    standard, other = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    assert standard != other
    blob = parse_keys(f"k:{standard}", "x").wrap(KEY, b"")[1]
    assert parse_keys(f"k:{other}", "x").unwrap("k", blob, b"") == KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no key"),
        ("# only a comment\n,\n", "holds no key"),
        (PLACEHOLDER, "placeholder of an example"),
        (f"k1:{PLACEHOLDER}", "placeholder of an example"),
        (f"k1:{text()},k2:{PLACEHOLDER[:43]}=", "placeholder of an example"),
        (f"k1:{text(PLACEHOLDER[:32].encode())}", "a text or a pattern"),
        (f"k1:{text(b'correct horse battery staple 123')}", "a text or a pattern"),
        (f"k1:{text(bytes(32))}", "a text or a pattern"),
        (f"k1:{text(bytes(range(7)) * 4 + bytes(4))}", "a text or a pattern"),
        (text(), "must look like name:base64"),
        (f"K1:{text()}", "must look like name:base64"),
        (f"{'k' * 33}:{text()}", "must look like name:base64"),
        (f"-k:{text()}", "must look like name:base64"),
        ("k1:", "is not 32 random bytes"),
        (f"k1:{text(KEY[:31])}", "is not 32 random bytes"),
        (f"k1:{text(bytes(range(33)))}", "is not 32 random bytes"),
        (f"k1:{KEY.hex()}", "is not 32 random bytes"),
        (f"k1:{text()[:-2]}!=", "is not 32 random bytes"),
        ("k1:my secret passphrase", "is not 32 random bytes"),
        (f"k1:{text()}\nk1:{text(OTHER)}", "two keys named k1"),
        (f"k1:{text()}\nk2:{text()}", "the same key as k1 and as k2"),
        ("\udcff\ufffd:x", "must look like name:base64"),
    ],
)
def test_keys_that_are_refused_and_not_quoted(content: str, message: str) -> None:
    with pytest.raises(KeyFormatError, match=message) as error:
        parse_keys(content, "FILE")
    said = str(error.value)
    assert "FILE" in said
    assert "pipeline keys generate" in said or "two keys" in said
    for part in content.replace("\n", ",").split(","):
        value = part.partition(":")[2] or part
        assert len(value) < 10 or value not in said
    assert error.value.__cause__ is None and error.value.__context__ is None


@given(st.binary(max_size=48))
def test_only_32_bytes_are_a_key(key: bytes) -> None:
    try:
        parse_keys(f"k1:{text(key)}", "x")
    except KeyFormatError:
        return
    assert len(key) == 32 and len(set(key)) >= 8


def test_a_ring_shows_names_only() -> None:
    assert repr(Keyring({"k1": KEY})) == "Keyring(k1)"


def settings(folder: Path, **values: object) -> Settings:
    return Settings(folder, str(folder), **values)  # type: ignore[arg-type]


def write(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def test_the_embedded_default_makes_a_file_once_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = settings(tmp_path / "data")
    first = load_keys(mine, make=True)
    path = tmp_path / "data" / "credential.keys"
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert str(path) in said.err and first.primary in said.err
    assert path.read_text().splitlines()[-1].partition(":")[2] not in said.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert load_keys(mine, make=True).names == load_keys(mine).names == first.names
    assert path.read_bytes() == before and capsys.readouterr().err == ""
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_opening_never_makes_a_key(tmp_path: Path) -> None:
    """A lost key file must not be replaced in silence by one that opens nothing."""
    with pytest.raises(KeyFormatError, match="No such file or directory; put it back"):
        load_keys(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_many_processes_agree_on_the_first_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.settings import Settings\n"
        "from pipeline.platform.vault.key_files import load_keys\n"
        "data = Path(sys.argv[1]); print(load_keys(Settings(data, str(data)), make=True).primary)"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    ended = [child.communicate() for child in children]
    assert len({out for out, _ in ended}) == 1 and ended[0][0].strip()
    assert sum(err.count("made the key") for _, err in ended) == 1, ended


def test_with_a_database_of_ones_own_a_key_must_be_given_when_it_is_needed(tmp_path: Path) -> None:
    mine = settings(tmp_path, database_url="postgresql://h/d")
    vault = open_vault(mine)  # not needed yet
    for make in (False, True):
        with pytest.raises(KeyFormatError, match=r"with DATABASE_URL it must be given.*CREDENTIAL_KEYS_FILE"):
            load_keys(mine, make=make)
    with pytest.raises(KeyFormatError, match="CREDENTIAL_KEYS_FILE"):
        _ = vault.primary
    assert list(tmp_path.iterdir()) == []


def test_keys_of_the_environment(tmp_path: Path) -> None:
    found = Settings.load({"CREDENTIAL_KEYS": f"k2:{text(OTHER)},k1:{text()}", "DATABASE_URL": "postgresql://h/d"})
    assert load_keys(found).names == ("k2", "k1")
    assert text() not in repr(found) and text(OTHER) not in repr(found)
    with pytest.raises(KeyFormatError, match="CREDENTIAL_KEYS"):
        load_keys(settings(tmp_path, credential_keys=Secret(PLACEHOLDER)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o660])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "keys", f"k1:{text()}", mode)
    with pytest.raises(KeyFormatError, match=f"chmod 600 {path}"):
        read_key_file(path)
    path.chmod(0o400)
    assert read_key_file(path).names == ("k1",)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, message in (("pipe", "not a plain file"), (".", "not a plain file"), ("nothing", "cannot be read")):
        with pytest.raises(KeyFormatError, match=message):
            read_key_file(tmp_path / name)
    with pytest.raises(KeyFormatError, match="larger than"):
        read_key_file(write(tmp_path / "large", "#" * 70_000))
    (tmp_path / "link").symlink_to(write(tmp_path / "keys", f"k1:{text()}"))  # as secrets are mounted into containers
    assert read_key_file(tmp_path / "link").names == ("k1",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_leaves_the_key_to_the_owner_of_the_data_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    load_keys(settings(tmp_path), make=True)
    assert (tmp_path / "credential.keys").stat().st_uid == 12345
    add_key(tmp_path / "credential.keys")
    assert (tmp_path / "credential.keys").stat().st_uid == 12345


def test_a_new_key_comes_last_and_becomes_first_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    first, primary = add_key(path)
    assert primary and stat.S_IMODE(path.stat().st_mode) == 0o600
    old = read_key_file(path).wrap(KEY, b"place")[1]
    path.write_text("# höchst geheim\n" + path.read_text().replace("\n", "\n\n"))
    second, primary = add_key(path)
    assert not primary and first != second
    assert read_key_file(path).names == (first, second)
    promote_key(path, second)
    ring = read_key_file(path)
    assert ring.names == (second, first)
    assert ring.unwrap(first, old, b"place") == KEY
    assert "# höchst geheim" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["keys"]
    with pytest.raises(KeyFormatError, match=f"no key of that name; it has: {second}, {first}"):
        promote_key(path, "k9")
    with pytest.raises(KeyFormatError, match="is the primary key"):
        remove_key(path, second)
    with pytest.raises(KeyFormatError, match="no key of that name"):
        remove_key(path, "k9")
    remove_key(path, first)
    assert read_key_file(path).names == (second,)
    assert path.read_text().startswith("# höchst geheim\n")


def test_a_damaged_file_is_not_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", f"k1:{PLACEHOLDER}")
    for change in (lambda: add_key(path), lambda: promote_key(path, "k1"), lambda: remove_key(path, "k1")):
        with pytest.raises(KeyFormatError, match="placeholder"):
            change()
    assert path.read_text() == f"k1:{PLACEHOLDER}"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocker = write(tmp_path / "file", "")
    with pytest.raises(PipelineError, match="cannot be written"):
        add_key(blocker / "keys")
