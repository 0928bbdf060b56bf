"""Typed settings from the environment. The only module that reads it; every variable is optional."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.model.errors import UsageError
from pipeline.model.secret import Secret

if TYPE_CHECKING:
    from upath import UPath

PROJECT_ROOT = Path(__file__).resolve().parents[1]
#: Services whose base URL can be another one, see `api_url`.
SERVICES = ("SHOPIFY", "AKENEO", "AMAZON", "AMAZON_LWA")

#: How a model is told which JSON to answer with; a server that does not know the first degrades to the next.
STRUCTURED_MODES = ("json_schema", "json_object", "prompt")
#: How questions travel: each by itself, answered at once; or in batches, cheaper and answered within a day.
TRANSPORTS = ("sync", "batch")
OPENAI_URL = "https://api.openai.com/v1"

_URI = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: SQLAlchemy's spellings too, because other programs on the same machine may need them.
_POSTGRES_SCHEME = re.compile(r"postgres(ql)?(\+[a-z0-9]+)?://")


@dataclass(frozen=True)
class Settings:
    """Where everything is. `database_url` may hold a password and is therefore never shown."""

    data_dir: Path  # absolute
    storage_uri: str  # absolute path, or a URI such as s3://bucket/prefix; no trailing slash
    database_url: str | None = field(default=None, repr=False)  # None: the embedded Postgres in data_dir
    project_root: Path = PROJECT_ROOT
    #: Master keys of the credential vault: a file, or the keys themselves; at most one of the two.
    credential_keys_file: Path | None = None
    credential_keys: Secret | None = field(default=None, hash=False)  # a secret has no hash, settings must have one

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Settings from `env` (the process environment); unset or empty = default. Raises UsageError for nonsense."""
        values = os.environ if env is None else env
        data_dir = _data_dir(values.get("PIPELINE_DATA_DIR", "").strip())
        storage_uri = _storage_uri(values.get("PIPELINE_STORAGE_URI", "").strip()) or str(data_dir)
        database_url = _database_url(values.get("DATABASE_URL", "").strip())
        keys_file, keys = values.get("CREDENTIAL_KEYS_FILE", "").strip(), values.get("CREDENTIAL_KEYS", "").strip()
        if keys_file and keys:
            raise UsageError("CREDENTIAL_KEYS_FILE and CREDENTIAL_KEYS are both set; keep the file and unset the other")
        return cls(
            data_dir,
            storage_uri,
            database_url,
            credential_keys_file=_key_file(keys_file) if keys_file else None,
            credential_keys=Secret(keys) if keys else None,
        )

    def environment(self) -> dict[str, str]:
        """The variables with which a child process loads these settings; an empty value is an unset one."""
        default = self.storage_uri == str(self.data_dir)
        return {
            "PIPELINE_DATA_DIR": str(self.data_dir),
            "PIPELINE_STORAGE_URI": "" if default else self.storage_uri,
            "DATABASE_URL": self.database_url or "",
            "CREDENTIAL_KEYS_FILE": str(self.credential_keys_file or ""),
            "CREDENTIAL_KEYS": self.credential_keys.reveal() if self.credential_keys else "",
        }

    def storage(self, *parts: str) -> UPath:
        """A place below the storage URI: `settings.storage("tables")`."""
        from upath import UPath

        return UPath(self.storage_uri, *parts)


@dataclass(frozen=True)
class ModelEndpoint:
    """A language model behind any OpenAI-compatible address. `local`: on this machine, where nobody sends a bill."""

    base_url: str
    model: str
    api_key: Secret
    structured_mode: str
    local: bool
    transport: str = "sync"


def model_endpoint(env: Mapping[str, str] | None = None) -> ModelEndpoint | None:
    """`LLM_BASE_URL`, `LLM_API_KEY`, `LLM_MODEL`, `LLM_STRUCTURED_MODE` and `LLM_TRANSPORT`; None without address and key."""
    values = os.environ if env is None else env
    url, key = values.get("LLM_BASE_URL", "").strip(), values.get("LLM_API_KEY", "").strip()
    model, mode = values.get("LLM_MODEL", "").strip(), values.get("LLM_STRUCTURED_MODE", "").strip()
    if not url and not key:
        return None
    url = (url or OPENAI_URL).rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password or parts.query or parts.fragment or _CONTROL.search(url):
        raise UsageError("LLM_BASE_URL must be an address such as https://api.openai.com/v1, without credentials or query")
    local = _is_loopback_url(url)
    if key and parts.scheme == "http" and not local:
        raise UsageError(
            "LLM_BASE_URL must begin with https://, or LLM_API_KEY would travel readable; unset the key if none is needed"
        )
    if not model or len(model) > 200 or _CONTROL.search(model):
        raise UsageError(
            "LLM_MODEL must name the model to use, for example gpt-6-luna; it is needed with LLM_BASE_URL or LLM_API_KEY"
        )
    if _CONTROL.search(key) or not key.isascii():
        raise UsageError("LLM_API_KEY contains characters that cannot be sent; copy it again")
    if mode and mode not in STRUCTURED_MODES:
        raise UsageError(f"LLM_STRUCTURED_MODE must be one of {', '.join(STRUCTURED_MODES)}")
    transport = values.get("LLM_TRANSPORT", "").strip() or TRANSPORTS[0]
    if transport not in TRANSPORTS:
        raise UsageError(f"LLM_TRANSPORT must be one of {', '.join(TRANSPORTS)}")
    return ModelEndpoint(url, model, Secret(key), mode or STRUCTURED_MODES[0], local, transport)


def rerank_model(env: Mapping[str, str] | None = None) -> Path | None:
    """`CATEGORY_RERANK_MODEL`: a folder with a sentence model, absolute; a relative one is below the project. None when unset."""
    return _folder("CATEGORY_RERANK_MODEL", env)


def shopify_taxonomy_dir(env: Mapping[str, str] | None = None) -> Path | None:
    """`SHOPIFY_TAXONOMY_DIR`: `dist` of Shopify's repository product-taxonomy, as `rerank_model`."""
    return _folder("SHOPIFY_TAXONOMY_DIR", env)


def api_url(service: str, env: Mapping[str, str] | None = None) -> str | None:
    """`<SERVICE>_API_URL`: another base URL for a service of `SERVICES`, without a slash at the end; None when unset.

    For tests and sandboxes on this machine only: credentials are sent there, so any other host is a UsageError."""
    if service not in SERVICES:
        raise ValueError(f"not a service: {service}")
    text = (os.environ if env is None else env).get(f"{service}_API_URL", "").strip()
    if not text:
        return None
    if not _is_loopback_url(text):
        raise UsageError(f"{service}_API_URL must be an address of this machine, such as http://127.0.0.1:8080, and nothing more")
    return text.rstrip("/")


def _is_loopback_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        loopback = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
        known_port = parts.port is None or parts.port > 0
    except ValueError:  # not an address, or a port out of range
        return False
    extra = parts.username is not None or parts.password is not None or parts.query or parts.fragment or _CONTROL.search(text)
    return loopback and known_port and parts.scheme in ("http", "https") and not extra


def _data_dir(text: str) -> Path:
    """Relative paths are below the project, not below the working directory: all processes must mean the same place."""
    try:
        path = (PROJECT_ROOT / Path(text or "data").expanduser()).resolve()
    except (RuntimeError, ValueError):
        raise UsageError(f"PIPELINE_DATA_DIR is not a usable path: {text!r}") from None
    if _CONTROL.search(text):
        raise UsageError(f"PIPELINE_DATA_DIR contains a control character: {text!r}")
    if "://" in text:
        raise UsageError(f"PIPELINE_DATA_DIR must be a local folder, not {text!r}; remote storage is PIPELINE_STORAGE_URI")
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    if not existing.is_dir():
        raise UsageError(f"PIPELINE_DATA_DIR {str(path)!r} cannot be a folder: {str(existing)!r} is a file")
    return path


def _folder(name: str, env: Mapping[str, str] | None) -> Path | None:
    text = (os.environ if env is None else env).get(name, "").strip()
    if _CONTROL.search(text):
        raise UsageError(f"{name} must be the path of a folder; it contains a control character")
    return PROJECT_ROOT / Path(text) if text else None


def _key_file(text: str) -> Path:
    """Absolute, but not resolved: a mounted secret is a link that moves on when the secret changes."""
    path = PROJECT_ROOT / Path(text)
    if _CONTROL.search(text) or ":" in text:  # the keys themselves, in the wrong variable, are not quoted
        raise UsageError("CREDENTIAL_KEYS_FILE must be the path of a file; the keys themselves are CREDENTIAL_KEYS")
    return path


def _storage_uri(text: str) -> str | None:
    if not text:
        return None
    if _CONTROL.search(text):
        raise UsageError("PIPELINE_STORAGE_URI contains a control character")
    match = _URI.fullmatch(text)
    if match is None:
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise UsageError(f"PIPELINE_STORAGE_URI must be a URI such as s3://bucket/prefix or an absolute path, not {text!r}")
        return str(path)
    from fsspec.registry import known_implementations

    if match["scheme"] not in known_implementations:
        raise UsageError(f"PIPELINE_STORAGE_URI: {match['scheme']}:// is not a known kind of storage; use s3://, gs:// or a path")
    if "@" in match["rest"].split("/")[0]:
        raise UsageError("PIPELINE_STORAGE_URI must not contain credentials; give them to the storage's own settings")
    if not match["rest"].strip("/"):
        raise UsageError("PIPELINE_STORAGE_URI must name a bucket or folder after '://'")
    return text.rstrip("/")


def _database_url(text: str) -> str | None:
    if not text:
        return None
    if not _POSTGRES_SCHEME.match(text) or _CONTROL.search(text):
        raise UsageError("DATABASE_URL must look like postgresql://user:password@host:5432/database")
    return text
