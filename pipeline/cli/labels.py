"""`pipeline labels`: import label files, translate them, look at what is missing, write them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.label_runs import estimate, label_table, require_labels, require_success, run_labels, summary_of, translations
from pipeline.cli.options import Json, StoreKey
from pipeline.cli.output import say, show_facts, show_json, show_table
from pipeline.cli.session import Session, session

if TYPE_CHECKING:
    from pipeline.labels.files import StoredFile
    from pipeline.labels.model import LabelFile
    from pipeline.stores.stores import Store

app = typer.Typer(help="UI labels: texts of a storefront that are not products.", no_args_is_help=True)

Resource = Annotated[str | None, typer.Option("--resource", help="Only this file of the store, by the name that it has there.")]
Locale = Annotated[str | None, typer.Option("--locale", help="Only this language.")]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="labels")


@app.command("import", epilog="Example: pipeline labels import my-shop en.default.json --locale en")
def import_(
    store: StoreKey,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Label file: .json, .csv, .tsv, .po, .pot. None: a live Shopify theme's."),
    ] = None,
    locale: Annotated[str | None, typer.Option("--locale", help="Language of the texts in the file.")] = None,
    resource: Annotated[str | None, typer.Option("--resource", help="Its name in the store; else made from the file's.")] = None,
    source: Annotated[bool, typer.Option("--source", help="Labels are written in this language, not in the store's.")] = False,
    as_json: Json = False,
) -> None:
    """Import a label file. In another language than the labels are written in, it is what people translated."""
    from pipeline.labels.files import add_file

    with session() as current:
        found = _store(current, store)
        name, content, spoken = _content(current, found, file, locale)
        with current.connect() as connection:
            stored, read, replaced = add_file(
                connection, current.settings, found, name, content, spoken, resource=resource, source=source or file is None
            )
        outcome = run_labels(current, "read_labels", store)
        table = label_table(current, "rejected_labels", store)
        place = (stored.resource, stored.locale)
        rejected = [row for row in table.arrow().to_pylist() if (row["resource"], row["locale"]) == place]
        kept, unchanged = _counts(current, found, stored, read)
    require_success(outcome)
    if as_json:
        counts = {"labels": len(read.labels), "stored": kept, "unchanged": unchanged}
        show_json({"file": stored, "replaced": replaced, **counts, "rejected": rejected, "run": outcome.run_id})
        return
    what = "source" if stored.is_source else "translations"
    same = f", {unchanged} not translated in it" if unchanged else ""
    say(
        f"{stored.name} is imported as the {what} of {stored.resource} in {stored.locale}: {kept} texts stored{same}, "
        f"{len(rejected)} rejected"
    )
    if replaced is not None and replaced.sha256 != stored.sha256:
        say(f"it replaces {replaced.name} of {replaced.imported_at:%Y-%m-%d %H:%M}")
    show_table(
        ("line", "key", "rejected because", "begins with"),
        [(row["line"], row["key"], row["reason"], row["excerpt"]) for row in rejected[:20]],
        empty="nothing was rejected",
    )
    if len(rejected) > 20:
        say(f"and {len(rejected) - 20} more; see: pipeline labels import ... --json")
    say(f"next: pipeline labels translate {store} --to de")


@app.command(epilog="Example: pipeline labels translate my-shop --to de,fr --dry-run")
def translate(
    store: StoreKey,
    to: Annotated[
        str | None, typer.Option("--to", help="Languages, comma-separated; kept for the store. All of the store's if not given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would ask for and cost.")] = False,
    max_usd: Annotated[float | None, typer.Option("--max-usd", min=0, help="Spend at most this in this run.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask once more for what the model could not do before.")] = False,
    batch: Annotated[bool | None, typer.Option("--batch/--no-batch", help="Ask in a batch: cheaper, within a day.")] = None,
    as_json: Json = False,
) -> None:
    """Translate what is new or changed. What was translated before costs nothing."""
    from pipeline.labels.translation import add_locales, read_locales
    from pipeline.model.errors import UsageError

    asked = _locales(to)
    transport = None if batch is None else "batch" if batch else "sync"
    with session() as current:
        found = _store(current, store)
        with current.connect() as connection:
            require_labels(connection, found)
            add_locales(connection, found.id, asked)
            if not read_locales(connection, found.id):
                raise UsageError(f"say into which languages: pipeline labels translate {store} --to de,fr")
            label_table(current, "ui_labels", store)  # there must be some
            if dry_run:
                planned = estimate(current, connection, found, asked, again, transport)
                connection.rollback()
        if dry_run:
            show_json(planned) if as_json else show_facts(planned)
            return
        options = {"locales": asked, "again": again, "max_usd": max_usd, "transport": transport}
        outcome = run_labels(current, "translate_labels", store, options)
        if outcome.error is None:
            summary = summary_of(current, found, outcome)
    require_success(outcome)
    if as_json:
        show_json(summary)
        return
    _show_coverage(summary["coverage"], store)
    show_facts(
        {
            "engines": summary["engines"] or "none",
            "spent": summary["spent"],
            **({"reserved": summary["reserved"]} if summary["reserved_usd"] else {}),
            "calls": summary["calls"],
            "stopped": summary["stopped"] or "no",
        }
    )
    if summary["in_batches"]:
        say(f"{summary['in_batches']} texts wait for a batch, which takes up to a day; see: pipeline language batches")
    say(f"next: pipeline labels list {store} --state untranslated, pipeline labels export {store}")


@app.command(epilog="Example: pipeline labels status my-shop")
def status(store: StoreKey, as_json: Json = False) -> None:
    """How much of each language is translated, and from which files."""
    from pipeline.labels.files import list_files
    from pipeline.labels.summary import coverage

    with session() as current, current.connect() as connection:
        found = _store(current, store)
        files = list_files(connection, found.id)
        rows = coverage(translations(current, store, missing_ok=True))
    if as_json:
        show_json({"files": files, "coverage": rows})
        return
    show_table(
        ("resource", "language", "is", "file", "imported"),
        [(f.resource, f.locale, "source" if f.is_source else "translations", f.name, f.imported_at) for f in files],
        empty=f"no label files yet; add one with: pipeline labels import {store} FILE --locale en",
    )
    if files or rows:
        _show_coverage(rows, store)
    if any(row["stale"] for row in rows):
        say(f"stale texts were translated before their source changed: pipeline labels list {store} --state stale")


@app.command("list", epilog="Example: pipeline labels list my-shop --locale de --state untranslated")
def list_(
    store: StoreKey,
    locale: Locale = None,
    state: Annotated[str | None, typer.Option("--state", help="translated, copied, stale or untranslated.")] = None,
    resource: Resource = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List labels, or their translations into a language."""
    from pipeline.labels.summary import STATES
    from pipeline.model.errors import UsageError

    if state is not None and state not in STATES:
        raise UsageError(f"--state is one of: {', '.join(STATES)}")
    locale = _tag(locale)
    with session() as current:
        with current.connect() as connection:
            require_labels(connection, _store(current, store))
        wanted = {"locale": locale, "state": state, "resource": resource}
        translated = locale is not None or state is not None
        found = translations(current, store) if translated else label_table(current, "ui_labels", store).arrow().to_pylist()
        rows = [row for row in found if all(value in (None, row.get(name)) for name, value in wanted.items())]
    if as_json:
        show_json({"labels": rows[:limit], "total": len(rows)})
        return
    columns = ("resource", "key", "form", "locale", "source", "text", "engine", "problems") if translated else (
        "resource", "key", "form", "kind", "text", "placeholders",
    )  # fmt: skip
    shown = [["; ".join(row[c]) if isinstance(row[c], list) else row[c] for c in columns] for row in rows[:limit]]
    show_table(columns, shown, empty="no such labels")
    if len(rows) > limit:
        say(f"{len(rows) - limit} more; see --limit")


@app.command(epilog="Example: pipeline labels export my-shop --locale de --out locales/")
def export(
    store: StoreKey,
    locale: Locale = None,
    resource: Resource = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; below the data directory if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Write the files of each language: the source files with the translated texts, everything else as it was."""
    from pipeline.labels.export import export_files
    from pipeline.labels.files import list_files
    from pipeline.labels.translation import read_locales
    from pipeline.language.languages import normalize_tag
    from pipeline.model.errors import PipelineError, UsageError

    with session() as current, current.connect() as connection:
        found = _store(current, store)
        require_labels(connection, found)
        asked = read_locales(connection, found.id)
        locales = [normalize_tag(locale)] if locale else asked
        if unknown := set(locales) - set(asked):
            raise UsageError(f"{store} has no {min(unknown)} yet: pipeline labels translate {store} --to {min(unknown)}")
        sources = [f for f in list_files(connection, found.id) if f.is_source and resource in (None, f.resource)]
        if not sources or not locales:
            raise UsageError(f"there is nothing to write; see: pipeline labels status {store}")
        folder = out or current.settings.data_dir / "labels" / store / "exports"
        translated = label_table(current, "translated_labels", store)
        there = set(translated.arrow(["locale"])["locale"].to_pylist())
        never = [one for one in locales if one not in there]
        if never and (locale or not there):  # the files would be in the language of the source
            raise PipelineError(f"labels of {store} were never translated into {never[0]}: {_again(store, never)}")
        locales = [one for one in locales if one in there]
        written = list(export_files(current.settings, sources, translated, locales, folder))
    if as_json:
        show_json({"files": [{**asdict(file), "path": str(file.path)} for file in written], "never_translated": never})
        return
    show_table(
        ("resource", "language", "translated", "missing", "stale", "file"),
        [(f.resource, f.locale, f.translated, f.missing, f.stale, f.path) for f in written],
        empty="nothing was written",
    )
    if never:
        say(f"not written, as it was never translated: {', '.join(never)}; {_again(store, never)}")
    missing, stale = sum(file.missing for file in written), sum(file.stale for file in written)
    if missing:
        states = [state for state, some in (("stale", stale), ("untranslated", missing > stale)) if some]
        why = ", ".join(f"pipeline labels list {store} --state {state}" for state in states)
        say(f"missing texts are those of the source; why: {why}")


@app.command(epilog="Example: pipeline labels publish my-shop --locale de --dry-run")
def publish(
    store: StoreKey,
    locale: Annotated[str | None, typer.Option("--locale", help="Only these languages, comma-separated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask the shop what it has, and say what would change.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace also what people wrote in the shop.")] = False,
    as_json: Json = False,
) -> None:
    """Give a live Shopify store the translations of its theme: only what it does not have yet."""
    from pipeline.labels.publish import dry, published
    from pipeline.labels.publishing import theme_file
    from pipeline.stores.stores import open_credentials

    locales = _locales(locale)
    with session() as current:
        found = _store(current, store)
        with current.connect() as connection:
            require_labels(connection, found)
            theme_file(connection, found)
        if dry_run:
            with current.database.autocommit() as connection:
                credentials = open_credentials(connection, current.vault, found)
                translated = label_table(current, "translated_labels", store)
                result = dry(connection, current.settings, found, credentials, translated, locales, overwrite)
            run_id = None
        else:
            outcome = run_labels(current, "publish_labels", store, {"locales": locales, "overwrite": overwrite})
            require_success(outcome)
            result = published(label_table(current, "published_labels", store).read())
            run_id = outcome.run_id
    if as_json:
        show_json(
            {
                "store": store,
                "run": run_id,
                "states": result.states,
                "by_locale": result.by_locale,
                "not_published": result.sample,
            }
        )
        return
    show_table(
        ("language", "state", "texts", "which means"),
        [(row["locale"], row["state"], row["texts"], row["meaning"]) for row in result.by_locale],
        empty=f"nothing is translated yet: pipeline labels translate {store} --to de",
    )
    show_table(
        ("language", "key", "state", "reason"),
        [(row["locale"], row["key"], row["state"], row["reason"]) for row in result.sample],
        empty="the shop takes every text",
    )


@app.command(epilog="Example: pipeline labels drop my-shop --locale fr")
def drop(store: StoreKey, locale: Locale = None, resource: Resource = None, as_json: Json = False) -> None:
    """Stop translating into a language, or forget a label file. What was translated is remembered."""
    from pipeline.labels.files import remove_file
    from pipeline.labels.translation import remove_locale
    from pipeline.model.errors import UsageError

    if locale is None and resource is None:
        raise UsageError("say what to drop: --locale LANGUAGE, or --resource NAME")
    locale = _tag(locale)
    with session() as current, current.connect() as connection:
        found = _store(current, store)
        if resource is not None:
            remove_file(connection, found, resource, locale)
        elif locale is not None:
            remove_locale(connection, found, locale)
    if as_json:
        show_json({"store": store, "locale": locale, "resource": resource})
    else:
        say("dropped; it counts from the next import or translation on")


def _again(store: str, locales: Sequence[str]) -> str:
    return f"pipeline labels translate {store} --to {','.join(locales)}"


def _store(current: Session, key: str) -> Store:
    from pipeline.stores.stores import get_store

    with current.connect() as connection:
        return get_store(connection, key)


def _content(current: Session, store: Store, file: Path | None, locale: str | None) -> tuple[str, bytes, str]:
    """Name, content and language of what is imported: a file, or the texts of a live store's theme."""
    from pipeline.labels.files import file_content
    from pipeline.language.languages import normalize_tag, plurals
    from pipeline.model.errors import UsageError

    if file is None:
        from pipeline.labels.shopify import FILE_NAME, theme_texts
        from pipeline.stores.stores import open_credentials

        with current.connect() as connection:
            credentials = open_credentials(connection, current.vault, store) if store.source == "shopify" else {}
        content, spoken = theme_texts(store, credentials)
        return FILE_NAME, content, normalize_tag(spoken)
    if locale is None:
        raise UsageError("say in which language the texts of the file are: --locale en")
    spoken = normalize_tag(locale)
    plurals(spoken)  # refused now, not in the middle of a translation
    return (*file_content(file), spoken)


def _counts(current: Session, store: Store, stored: StoredFile, read: LabelFile) -> tuple[int, int]:
    """How many texts of a file are stored, and how many of a file of translations are still the source's."""
    from pipeline.labels.files import list_files, open_file
    from pipeline.labels.reading import judge
    from pipeline.language.translation.glossary import read_glossary

    if stored.is_source:
        return len(read.labels), 0
    with current.connect() as connection:
        files, glossary = list_files(connection, store.id), read_glossary(connection, store.id)
    source = next(file for file in files if file.is_source and file.resource == stored.resource)
    judged = judge(glossary, (source, open_file(current.settings, source)), (stored, read))
    return len(judged.good), judged.unchanged


def _tag(locale: str | None) -> str | None:
    """A language as files and tables have it: `DE_at` is de-AT."""
    from pipeline.language.languages import normalize_tag

    return None if locale is None else normalize_tag(locale)


def _locales(text: str | None) -> list[str]:
    from pipeline.language.languages import normalize_tag, plurals

    found = list(dict.fromkeys(normalize_tag(part) for part in (text or "").split(",") if part.strip()))
    for locale in found:
        plurals(locale)
    return found


def _show_coverage(rows: list[dict[str, Any]], store: str) -> None:
    show_table(
        ("language", "resource", "texts", "done", "stale", "untranslated", "%"),
        [(r["locale"], r["resource"], r["texts"], r["done"], r["stale"], r["untranslated"], r["percent"]) for r in rows],
        empty=f"nothing is translated yet: pipeline labels translate {store} --to de",
    )
