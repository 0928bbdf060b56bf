"""`pipeline memory`: translations by people, from and to the files of translators' tools (TMX)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Json, StoreKey
from pipeline.cli.output import say, show_json, show_table
from pipeline.cli.session import session

app = typer.Typer(help="Translation memory of a store: TMX files in and out.", no_args_is_help=True)

From = Annotated[str | None, typer.Option("--from", help="Language that is translated from; the store's if not given.")]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="memory")


@app.command("import", epilog="Example: pipeline memory import my-shop agency.tmx")
def import_(
    store: StoreKey,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TMX file.", show_default=False)],
    source: From = None,
    to: Annotated[str | None, typer.Option("--to", help="Only these languages, comma-separated.")] = None,
    as_json: Json = False,
) -> None:
    """Remember translations that people made. They go before a model's, for labels and for products."""
    from pipeline.language.exchange import import_tmx
    from pipeline.language.languages import normalize_tag
    from pipeline.language.tmx import MAX_BYTES
    from pipeline.model.errors import UsageError
    from pipeline.stores.stores import get_store
    from pipeline.stores.text import plain_text, shown

    only = [normalize_tag(part) for part in (to or "").split(",") if part.strip()]
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{shown(str(file), 200)} cannot be read: {error.strerror}") from None
    with session() as current, current.connect() as connection:
        found = get_store(connection, store)
        locale = normalize_tag(source or found.language)
        name = plain_text(file.name, "the name of the file")
        done = import_tmx(connection, found.id, content, name, locale, only)
    if as_json:
        show_json({"store": store, "from": locale, "read": done.read, "new": done.new, "refused": done.refused})
        return
    show_table(("language", "new or changed"), list(done.new.items()), empty="nothing was remembered")
    show_table(("line", "language", "refused because"), done.refused[:20], empty="nothing was refused")
    if len(done.refused) > 20:
        say(f"and {len(done.refused) - 20} more; see --json")


@app.command(epilog="Example: pipeline memory export my-shop --to de --out my-shop.de.tmx")
def export(
    store: StoreKey,
    to: Annotated[str, typer.Option("--to", help="Language that is translated into.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="File to write.", show_default=False)],
    source: From = None,
    as_json: Json = False,
) -> None:
    """Write what people translated into a TMX file."""
    from pipeline.language.exchange import export_tmx
    from pipeline.language.languages import normalize_tag
    from pipeline.model.errors import PipelineError
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        found = get_store(connection, store)
        content, count, left = export_tmx(connection, found.id, normalize_tag(source or found.language), normalize_tag(to))
    try:
        half = out.with_name(f".{out.name}.tmp")
        half.write_bytes(content)
        half.replace(out)
    except OSError as error:
        raise PipelineError(f"{out} cannot be written: {error.strerror}; give another file with --out") from None
    if as_json:
        show_json({"store": store, "file": str(out), "translations": count, "plurals_left_out": left})
    else:
        say(f"{out} has {count} translations" + (f"; {left} with plural forms have no place in TMX" if left else ""))
