"""`pipeline memory`: translations by people, from and to TMX files of translators' tools, and what is left for people as CSV."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json, StoreKey
from pipeline.cli.output import counted, say, short, show_json, show_table
from pipeline.cli.session import Session, session

if TYPE_CHECKING:
    from pipeline.language.translation.exchange import Imported
    from pipeline.language.translation.tmx import Bad, Unit
    from pipeline.stores.stores import Store

app = typer.Typer(help="Translations by people: TMX and CSV files in and out.", no_args_is_help=True)

From = Annotated[str | None, typer.Option("--from", help="Language that is translated from; the store's if not given.")]
_MOST_SHOWN = 20
#: Files of spreadsheets; Excel calls "Unicode Text" .txt.
_SPREADSHEETS = (".csv", ".tsv", ".txt")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="memory")


@app.command("import", epilog="Example: pipeline memory import my-shop agency.tmx")
def import_(
    store: StoreKey,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A TMX file, or a CSV file of: memory export --open.", show_default=False)
    ],
    source: From = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Only these languages, comma-separated; the language of a CSV file without one.")
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Also what is refused for what it says: people have looked. Not what breaks a text."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Remember translations that people made. They go before a model's, for labels and for products."""
    from pipeline.language.languages import normalize_tag
    from pipeline.language.translation.exchange import import_units
    from pipeline.listings.localized.by_hand import uses_of
    from pipeline.stores.stores import get_store
    from pipeline.stores.text import plain_text

    only = [normalize_tag(part) for part in (to or "").split(",") if part.strip()]
    with session() as current, current.connect() as connection:
        found = get_store(connection, store)
        locale = normalize_tag(source or found.language)
        units, empty = _units(file, locale, only)
        name = plain_text(file.name, "the name of the file")
        units, uses = uses_of(connection, current.settings, found, units)
        done = import_units(connection, found.id, units, name, locale, only, uses, meaning=not anyway)
        users, idle = _users(connection, found, done)
    if as_json:
        counts = {language: dict(said) for language, said in done.by_language.items() if language}
        of = {"counted_as": done.counted, "empty": empty, "of_no_text": done.strangers, "next": users}
        show_json({"store": store, "from": locale, "languages": counts, **of, "rows": done.rows})
        return
    _show(done, empty)
    for spelled, language in done.counted.items():
        too = " too" if spelled in done.by_language else ""
        say(f"{spelled} counts as {language}{too}, which {store} uses")
    if users:
        say(f"what uses them next: {', '.join(users)}")
    if strangers := done.strangers:
        are, them = ("is", "it") if strangers == 1 else ("are", "them")
        say(f"{strangers} of these {are} no text of the store now, so nothing uses {them} yet")
    for what, languages in idle.items():
        command = f"connection set {store} MARKETPLACE auto_translate=true"
        if what == "labels":
            command = f"labels translate {store} --to {','.join(languages)}"
        say(f"no {what} of {store} are translated into {', '.join(languages)} yet; they are after: pipeline {command}")
    if done.refused:
        insist = "" if anyway else "; if a translation is right as it is, import it with --anyway"
        say(f"the refused lines change nothing; mend them and import the file again{insist}")


@app.command(epilog="Example: pipeline memory export my-shop --to de --open my-shop.de.csv")
def export(
    store: StoreKey,
    to: Annotated[str, typer.Option("--to", help="Language that is translated into.", show_default=False)],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="File to write; STORE.LANGUAGE.tmx or .csv here if not given.")
    ] = None,
    only_open: Annotated[
        bool, typer.Option("--open", help="The product texts that are not translated and why, as CSV to fill in and import.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="The same as FILE.", hidden=True)] = None,
    source: From = None,
    as_json: Json = False,
) -> None:
    """Write what people translated into a TMX file; with --open what is left for them to translate, into a CSV file."""
    from pipeline.language.languages import normalize_tag
    from pipeline.model.errors import UsageError
    from pipeline.stores.stores import get_store

    language = normalize_tag(to)
    if only_open and source is not None:
        raise UsageError("--from goes with translations that are there; texts of products are in the store's language")
    file = file or out or Path(f"{store}.{language}.{'csv' if only_open else 'tmx'}")
    with session() as current, current.connect() as connection:
        found = get_store(connection, store)
        if only_open:
            _export_open(current, connection, found, language, file, as_json)
        else:
            _export_memory(connection, found, normalize_tag(source or found.language), language, file, as_json)


def _export_memory(connection: Any, store: Store, source: str, language: str, file: Path, as_json: bool) -> None:
    from pipeline.language.translation.exchange import export_tmx
    from pipeline.model.errors import PipelineError

    content, count, left = export_tmx(connection, store.id, source, language)
    try:
        half = file.with_name(f".{file.name}.tmp")
        half.write_bytes(content)
        half.replace(file)
    except OSError as error:
        raise PipelineError(f"{file} cannot be written: {error.strerror}; give another FILE") from None
    if as_json:
        show_json({"store": store.key, "file": str(file), "translations": count, "plurals_left_out": left})
    else:
        say(f"{file} has {count} translations" + (f"; {left} with plural forms have no place in TMX" if left else ""))


def _export_open(current: Session, connection: Any, store: Store, language: str, file: Path, as_json: bool) -> None:
    from pipeline.listings.localized.by_hand import left_to_translate, write_open

    found = left_to_translate(connection, current.settings, store, language)
    texts, answers = len(found.texts), sum(bool(one.target) for one in found.texts)
    if texts:
        write_open(found.texts, language, file)
    if as_json:
        counts = {"texts": texts, "with_answer": answers, "products": found.products, "too_long": found.too_long}
        show_json({"store": store.key, "language": language, "file": str(file) if texts else None, **counts})
        return
    if texts:
        check = f" ({answers} {'has' if answers == 1 else 'have'} the model's answer, to be checked)" if answers else ""
        say(
            f"{file} has {counted(texts, 'text')} of {counted(found.products, 'product')}; fill in the column target{check}, "
            f"then: pipeline memory import {store.key} {file}"
        )
    else:
        say(f"no text of a product of {store.key} is left to translate into {language}")
    if found.too_long:
        have = f"{counted(found.too_long, 'product')} {'has' if found.too_long == 1 else 'have'}"
        say(f"{have} a description that is too long to be translated; shorten it in the store")


def _units(file: Path, source: str, only: Collection[str]) -> tuple[list[Unit | Bad], int]:
    """What a file translates, and how many of its rows are empty."""
    from pipeline.language.translation.tmx import MAX_BYTES, read_tmx
    from pipeline.listings.localized.by_hand import read_open
    from pipeline.model.errors import UsageError
    from pipeline.stores.text import shown

    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{shown(str(file), 200)} cannot be read: {error.strerror}") from None
    if file.suffix.lower() in _SPREADSHEETS:
        return read_open(file, source, next(iter(only)) if len(only) == 1 else None)
    return list(read_tmx(content, file.name)), 0


def _users(connection: Any, store: Store, done: Imported) -> tuple[list[str], dict[str, list[str]]]:
    """The commands that use what was remembered next; and of what nothing uses, though the store has the texts, the languages:
    "products" or "labels" -> languages that none of them is translated into."""
    from pipeline.labels.translation import read_locales
    from pipeline.language.languages import base
    from pipeline.listings.localized.by_hand import translated_sites

    labels = read_locales(connection, store.id)
    users = set[str]()
    idle: dict[str, list[str]] = {}
    for language, of in sorted({(row.language, row.of) for row in done.rows if row.kept}):
        found = []
        if "products" in of:
            found += [f"pipeline export {store.key} {one.site}" for one in translated_sites(connection, store, language)]
        if "labels" in of and any(language in (one, base(one)) for one in labels):
            found.append(f"pipeline labels translate {store.key}")
        users.update(found)
        if of and not found and language not in (*done.counted, *idle.setdefault(of[0], [])):
            idle[of[0]].append(language)
    return sorted(users), {what: languages for what, languages in idle.items() if languages}


def _show(done: Imported, empty: int) -> None:
    outcomes = ("new", "changed", "unchanged", "refused")
    show_table(
        ("language", *outcomes),
        [(language or "(none)", *(said[one] for one in outcomes)) for language, said in done.by_language.items()],
        empty="nothing was remembered",
    )
    told = [row for row in done.rows if row.outcome in ("changed", "refused")]
    show_table(
        ("line", "language", "text", "is", "because"),
        [(row.line, row.language, short(row.source, 40), row.outcome, row.reason) for row in told[:_MOST_SHOWN]],
        empty="nothing was changed or refused",
    )
    if len(told) > _MOST_SHOWN:
        say(f"and {len(told) - _MOST_SHOWN} more; all rows, also the new ones, are in --json")
    if empty:
        say(
            f"{counted(empty, 'row')} {'has no translation and was' if empty == 1 else 'have no translation and were'} left alone"
        )
