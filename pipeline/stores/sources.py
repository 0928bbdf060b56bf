"""Sources as data: for each one its settings, with their checks and defaults, and the credentials that it takes.

What a source does with them is in `pipeline/catalog`. Adding a source begins here, and with its name in the table `stores`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.model.credentials import CredentialNames
from pipeline.model.errors import UsageError
from pipeline.stores.text import known_names, plain_text, shown

SHOPIFY_API_VERSION = "2026-10"
#: What a product attribute of Akeneo can stand for; each store says which of its attribute codes does.
ROLES = (
    "title", "description", "brand", "product_type", "gtin", "sku", "mpn", "price", "compare_at_price", "cost", "weight",
    "images", "tags", "seo_title", "seo_description",
)  # fmt: skip
#: Roles that may have several attributes; their value is always a list.
LIST_ROLES = ("images", "tags")

_MAX_PATH = 4096
_MAX_LOCATIONS = 200
_SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHOP_SUFFIX = ".myshopify.com"
_VERSION = re.compile(r"20[2-9][0-9]-(01|04|07|10)")
_LOCATION = re.compile(r"(?:gid://shopify/Location/)?([0-9]{1,20})")
_CODE = re.compile(r"[A-Za-z0-9_]{1,100}")
_LOCALE = re.compile(r"[a-z]{2,3}(_[A-Z][a-z]{3})?(_([A-Z]{2}|[0-9]{3}))?")


@dataclass(frozen=True)
class Setting:
    """`check` returns the value in its normal form or raises UsageError; `option` is how the command line takes it."""

    check: Callable[[Any], Any]
    option: str
    required: bool = False
    default: Any = None

    @property
    def flag(self) -> str:
        """`--url` of "the address of the PIM: --url https://pim.example.com"."""
        return "--" + self.option.partition("--")[2].split()[0]


@dataclass(frozen=True)
class SourceKind:
    """One kind of source. A live one is an account at a service and cannot work without credentials."""

    name: str
    settings: Mapping[str, Setting]
    credentials: CredentialNames = field(default_factory=CredentialNames)
    #: What of a catalog can be imported alone.
    parts: tuple[str, ...] = ("products", "collections", "inventory")
    #: Settings that say which catalog it is: two stores that agree in them are two copies of one.
    identity: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        return bool(self.credentials.accepted)

    def check(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What is stored: the settings that were given, in normal form; None takes one away. Raises UsageError that says
        everything that is wrong."""
        given = {name: value for name, value in settings.items() if value is not None}
        wrong = [self._no_setting(name) for name in given if name not in self.settings]
        missing = [one.option for name, one in self.settings.items() if one.required and not given.get(name)]
        if missing:
            wrong.append(f"the source {self.name} needs {', and '.join(missing)}")
        checked = {}
        for name, setting in self.settings.items():
            if given.get(name) or (name in given and not setting.required):
                try:
                    checked[name] = setting.check(given[name])
                except UsageError as error:
                    wrong.append(str(error))
        if wrong:
            raise UsageError("; ".join(wrong))
        return checked

    def check_part(self, part: str, store_key: str) -> None:
        """Raises UsageError for a part that this source does not have."""
        if part not in self.parts:
            raise UsageError(f"the source {self.name} of {store_key} has no {shown(part)}; it has: {', '.join(self.parts)}")

    def _no_setting(self, name: str) -> str:
        """In the words of the command line, where it is a setting of another source."""
        other = next((kind.settings[name] for kind in SOURCES.values() if name in kind.settings), None)
        if other is None:
            return f"{shown(name)!r} is not a setting of {self.name}; known settings: {known_names(name, self.settings)}"
        return f"the source {self.name} takes no {other.flag}; it takes {', '.join(one.flag for one in self.settings.values())}"

    def complete(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Every setting: the stored ones over the defaults."""
        return {**{name: setting.default for name, setting in self.settings.items()}, **stored}


def source_kind(name: str) -> SourceKind:
    """The kind of this name; raises UsageError that lists the known ones."""
    found = SOURCES.get(name)
    if found is None:
        raise UsageError(f"{shown(name)!r} is not a source; known sources: {known_names(name, SOURCES)}")
    return found


def _readable(what: str) -> Callable[[Any], str]:
    return lambda value: str(_readable_file(value, what))


def _readable_file(value: Any, what: str) -> Path:
    text = plain_text(os.fspath(value), what, _MAX_PATH)
    try:
        path = Path(text).expanduser().resolve()
        found, readable = path.is_file(), os.access(path, os.R_OK)
    except (OSError, RuntimeError):  # too long a name, a loop of links, an unknown ~user
        found, readable = False, False
    if not found:
        raise UsageError(f"{what} {shown(text, 200)} does not exist or is not a file")
    if not readable:
        raise UsageError(f"{what} {shown(text, 200)} cannot be read; change its permissions")
    return path


def _shop_domain(value: Any) -> str:
    """`<name>.myshopify.com` from that, its first part, or the address of the shop or of its admin. Never another host: the
    access token is sent there."""
    text = plain_text(str(value), "the domain of the shop").lower()
    rest = re.sub(r"^https?://", "", text).split("?")[0].split("#")[0].rstrip("/")
    if rest.startswith("admin.shopify.com/store/"):
        rest = rest.split("/")[2]
    shop = rest.removesuffix("/admin").removesuffix(_SHOP_SUFFIX)
    if not _SHOP.fullmatch(shop):
        raise UsageError(
            f"{shown(text)!r} is not a shop's own domain; use <name>{_SHOP_SUFFIX}, which Shopify's admin shows under "
            "Settings, Domains"
        )
    return shop + _SHOP_SUFFIX


def _api_version(value: Any) -> str:
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise UsageError(f"{shown(str(value))!r} is not a version of Shopify's API; use YYYY-MM, such as {SHOPIFY_API_VERSION}")
    return value


def _location_ids(value: Any) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    found = [_LOCATION.fullmatch(str(one).strip()) for one in values]
    ids = [match[1] for match in found if match]
    if len(ids) < len(values) or not 0 < len(ids) <= _MAX_LOCATIONS:
        raise UsageError(
            f"locations are 1 to {_MAX_LOCATIONS} ids of Shopify, such as 12345678 (Settings, Locations, the address)"
        )
    return list(dict.fromkeys(ids))


def _base_url(value: Any) -> str:
    """https://host[:port][/path], nothing else: user names and passwords go into the vault."""
    text = plain_text(str(value), "the address of the PIM", 500).rstrip("/")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise UsageError("the address of the PIM cannot be read; it must look like https://pim.example.com") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError("the address of the PIM must be without credentials, query or fragment; credentials go into the vault")
    if parts.scheme != "https" or not re.fullmatch(r"[A-Za-z0-9.-]+", host) or re.search(r"[\s\\]", text):
        raise UsageError(f"{shown(text)!r} is not an address of a PIM; it must look like https://pim.example.com")
    return f"https://{host}{f':{port}' if port is not None else ''}{parts.path}"


def _code(what: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not _CODE.fullmatch(value):
            raise UsageError(f"{shown(str(value))!r} is not a code of {what}: letters, digits and underscores")
        return value

    return check


def _locale(value: Any) -> str:
    if not isinstance(value, str) or not _LOCALE.fullmatch(value):
        raise UsageError(f"{shown(str(value))!r} is not a locale of Akeneo; use one such as en_US or de_DE")
    return value


def _attributes(value: Any) -> dict[str, Any]:
    """Role -> attribute code, a list of codes for `LIST_ROLES`."""
    if not isinstance(value, Mapping):
        raise UsageError("attributes must be a mapping of roles to attribute codes")
    code, found = _code("an attribute"), {}
    for role, codes in value.items():
        if role not in ROLES:
            raise UsageError(f"{shown(str(role))!r} is not a role of an attribute; known roles: {known_names(str(role), ROLES)}")
        several = [code(one) for one in codes] if isinstance(codes, (list, tuple)) else [code(codes)]
        if role not in LIST_ROLES and len(several) != 1:
            raise UsageError(f"the role {role} takes one attribute code")
        found[role] = several if role in LIST_ROLES else several[0]
    return found


SOURCES: Mapping[str, SourceKind] = {
    kind.name: kind
    for kind in (
        SourceKind(
            "shopify-file",
            {
                "path": Setting(_readable("the catalog file"), "the file to import: --file FILE", required=True),
                "collections_path": Setting(_readable("the collections file"), "--collections FILE"),
            },
        ),
        SourceKind(
            "shopify",
            {
                "domain": Setting(_shop_domain, "the shop's domain: --domain NAME.myshopify.com", required=True),
                "api_version": Setting(_api_version, "--api-version YYYY-MM", default=SHOPIFY_API_VERSION),
                # None: all active locations that fulfill orders from the shop's own stock.
                "location_ids": Setting(_location_ids, "--location ID"),
            },
            CredentialNames((("access_token",), ("client_id", "client_secret")), optional=("webhook_secret",)),
            identity=("domain",),
        ),
        SourceKind(
            "akeneo",
            {
                "base_url": Setting(_base_url, "the address of the PIM: --url https://pim.example.com", required=True),
                "channel": Setting(_code("a channel"), "the channel to read: --channel CODE", required=True),
                "locale": Setting(_locale, "the locale of the texts: --locale en_US", required=True),
                "attributes": Setting(_attributes, "--attribute ROLE=CODE", default={}),
            },
            CredentialNames((("client_id", "client_secret", "username", "password"),)),
            parts=("products", "collections", "categories", "attributes", "families"),  # categories are its collections
            identity=("base_url", "channel", "locale"),
        ),
    )
}
