"""A place whose secrets are all planted, and the search for them in everything that its commands leave behind."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.platform.http import Patience, Service
from pipeline_tests.canary import Canaries, Hit
from pipeline_tests.flows.place import Child, Place, Result, start

ACCOUNT = ("client_id", "client_secret", "refresh_token")
PIM = ("client_id", "client_secret", "username", "password")
#: What a header can carry, and quoting changes all the same.
HEADER_SAFE = "/+&=%"


@dataclass
class Scene:
    """A place, and everything that its commands said."""

    place: Place
    folder: Path  # not searched: what an operator keeps outside
    canaries: Canaries
    said: list[str] = field(default_factory=list)

    def cli(self, *arguments: str, code: int | None = 0) -> Result:
        done = self.place.cli(*arguments, code=code)
        self.said += [done.out, done.err]
        return done

    def child(self, *arguments: str, **how: Any) -> Child:
        """One command in a process of its own."""
        return start(self.place, *arguments, **how)

    def secrets(self, kind: str, *names: str) -> dict[str, str]:
        return {name: self.canaries.plant(f"{kind}-{name.replace('_', '-')}", HEADER_SAFE) for name in names}

    def file(self, kind: str, *names: str) -> str:
        return self.write(kind, self.secrets(kind, *names))

    def write(self, kind: str, secrets: Mapping[str, str]) -> str:
        path = self.folder / f"{kind}.json"
        path.write_text(json.dumps(secrets))
        path.chmod(0o600)
        return str(path)

    @property
    def keys(self) -> Path:
        path = self.place.settings.credential_keys_file
        assert path is not None
        return path

    def plant_keys(self) -> None:
        for line in self.keys.read_text().splitlines():
            if not line.startswith("#"):
                self.canaries.plant_bytes(f"key {line.partition(':')[0]}", base64.b64decode(line.partition(":")[2]))

    def plant_issued(self, service: str, *values: str) -> None:
        """Tokens and signatures that a service made up on its way."""
        for number, value in enumerate(values):
            self.canaries.plant_bytes(f"{service} issued {number}", value.encode())

    def search(self, recorded: Iterable[bytes] = ()) -> list[Hit]:
        """`recorded` are requests without the places where secrets belong."""
        hits = self.canaries.in_database(self.place.database) + self.canaries.in_files(self.place.settings.data_dir)
        hits += self.canaries.in_processes() + self.canaries.find("\n".join(self.said), "output")
        return hits + self.canaries.find(b"\n".join(recorded), "requests")


def impatient(patch: pytest.MonkeyPatch, *, timeout: float | None = None) -> None:
    """Clients wait in no time: their clock moves only by waiting. With `timeout`, answers that do not come are given up soon."""
    from pipeline.catalog.shopify_api import source
    from pipeline.language.asking.asker import Asker
    from pipeline.marketplaces.amazon.spapi.client import SpApi

    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    async def pause(seconds: float) -> None:
        now[0] += seconds

    def quick(patience: Patience) -> Patience:
        return replace(patience, sleep=sleep, clock=lambda: now[0])

    replaced = {time.sleep: sleep, time.monotonic: lambda: now[0]}
    _default(patch, Patience.__init__, lambda old: replaced.get(old, old))
    _default(patch, SpApi.__init__, lambda old: quick(old) if isinstance(old, Patience) else old)
    _default(patch, Asker.__init__, lambda old: pause if getattr(old, "__name__", "") == "sleep" else old)
    patch.setattr(source, "PATIENCE", quick(source.PATIENCE))
    if timeout is not None:
        init = Service.__init__

        def hasty(self: Service, *given: Any, **named: Any) -> None:
            init(self, *given, **{**named, "timeout": httpx.Timeout(timeout)})

        patch.setattr(Service, "__init__", hasty)


def _default(patch: pytest.MonkeyPatch, function: Any, change: Callable[[Any], Any]) -> None:
    patch.setattr(function, "__defaults__", tuple(change(old) for old in function.__defaults__))


def new_scene(place: Place, folder: Path, lines: list[str]) -> Scene:
    """With a file of master keys of its own; `lines` is what loggers emit."""
    from pipeline.platform.vault.key_files import add_key

    folder.mkdir()
    add_key(folder / "keys")
    settings = replace(place.settings, credential_keys_file=folder / "keys")
    found = Scene(Place(settings, place.database), folder, Canaries(), lines)
    found.plant_keys()
    return found
