"""The environment: defaults, one clear sentence for nonsense, no secret shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.model.errors import UsageError
from pipeline.settings import PROJECT_ROOT, SERVICES, Settings, api_url


def test_an_empty_environment_is_enough() -> None:
    found = Settings.load({})
    assert found == Settings(PROJECT_ROOT / "data", str(PROJECT_ROOT / "data"), None, PROJECT_ROOT)
    assert Settings.load({"PIPELINE_DATA_DIR": " ", "PIPELINE_STORAGE_URI": "", "DATABASE_URL": ""}) == found


def test_relative_folders_belong_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load({"PIPELINE_DATA_DIR": "x/../y"}).data_dir == PROJECT_ROOT / "y"


def test_storage_is_the_data_directory_or_elsewhere(tmp_path: Path) -> None:
    local = Settings.load({"PIPELINE_DATA_DIR": str(tmp_path)})
    assert Path(local.storage("tables", "products")) == tmp_path / "tables" / "products"
    remote = Settings.load({"PIPELINE_STORAGE_URI": "memory://bucket/prefix/"})
    assert str(remote.storage("tables")) == "memory://bucket/prefix/tables"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PIPELINE_DATA_DIR", "s3://bucket", "PIPELINE_STORAGE_URI"),
        ("PIPELINE_DATA_DIR", __file__, "is a file"),
        ("PIPELINE_DATA_DIR", f"{__file__}/below", "is a file"),
        ("PIPELINE_DATA_DIR", "a\nb", "control character"),
        ("PIPELINE_DATA_DIR", "~nobody-of-this-name/x", "not a usable path"),
        ("PIPELINE_STORAGE_URI", "bucket/prefix", "absolute path"),
        ("PIPELINE_STORAGE_URI", "s4://bucket", "s4:// is not a known"),
        ("PIPELINE_STORAGE_URI", "s3://", "must name a bucket"),
        ("PIPELINE_STORAGE_URI", "s3://key:hunter2@bucket", "must not contain credentials"),
        ("PIPELINE_STORAGE_URI", "s3://a\x07b", "control character"),
        ("DATABASE_URL", "mysql://user:hunter2@host/db", "postgresql://"),
        ("DATABASE_URL", "hunter2", "postgresql://"),
        ("CREDENTIAL_KEYS_FILE", "k1:hunter2", "the keys themselves are CREDENTIAL_KEYS"),
        ("CREDENTIAL_KEYS_FILE", "a\x07b", "must be the path of a file"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.load({name: value})
    assert name in str(caught.value)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    found = Settings.load({"DATABASE_URL": "postgres://user:hunter2@host/db", "CREDENTIAL_KEYS": "k1:hunter2"})
    assert "hunter2" not in repr(found)


def test_keys_are_given_in_one_way_only() -> None:
    with pytest.raises(UsageError, match="both set") as caught:
        Settings.load({"CREDENTIAL_KEYS": "k1:hunter2", "CREDENTIAL_KEYS_FILE": "/srv/keys"})
    assert "hunter2" not in str(caught.value)


def test_a_mounted_key_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "today")
    assert Settings.load({"CREDENTIAL_KEYS_FILE": str(tmp_path / "link")}).credential_keys_file == tmp_path / "link"
    assert Settings.load({"CREDENTIAL_KEYS_FILE": "keys"}).credential_keys_file == PROJECT_ROOT / "keys"


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"PIPELINE_DATA_DIR": "/srv/x", "PIPELINE_STORAGE_URI": "s3://bucket/p", "DATABASE_URL": "postgresql://u:p@h/d"},
        {"CREDENTIAL_KEYS": "k1:abc"},
        {"CREDENTIAL_KEYS_FILE": "/srv/keys"},
    ],
)
def test_a_child_process_loads_the_same(env: dict[str, str]) -> None:
    found = Settings.load(env)
    assert Settings.load(found.environment()) == found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_be_on_this_machine(service: str) -> None:
    name = f"{service}_API_URL"
    assert api_url(service, {}) is api_url(service, {name: " "}) is None
    for url in ("http://127.0.0.1:8080", "https://localhost/base", "http://[::1]:80", "http://127.9.9.9"):
        assert api_url(service, {name: f" {url}/ "}) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "http://10.0.0.1", "http://0.0.0.0", "http://127.0.0.1.example.com", "http://localhost.example.com",
        "http://u:hunter2@127.0.0.1", "http://@127.0.0.1", "http://example.com\\@127.0.0.1", "http://127.0.0.1?a=hunter2",
        "http://127.0.0.1#x", "http://127.0.0.1:99999", "http://[::1", "ftp://127.0.0.1", "127.0.0.1:8080", "http://", "http://[::2]",
        "http://127.0.0.1/\x07",
    ],
)  # fmt: skip
def test_a_service_is_never_on_another_machine(url: str) -> None:
    """Credentials are sent there."""
    with pytest.raises(UsageError, match="SHOPIFY_API_URL") as caught:
        api_url("SHOPIFY", {"SHOPIFY_API_URL": url})
    assert "hunter2" not in str(caught.value)
