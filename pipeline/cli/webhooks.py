"""`pipeline webhooks`: the receiver of Shopify's webhooks, beside `pipeline up`."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import say, show_json
from pipeline.cli.session import session
from pipeline.cli.up import HOST, refuse_taken_port


def register(parent: typer.Typer) -> None:
    parent.command(epilog="Example: pipeline webhooks --port 3001")(webhooks)


def webhooks(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; put a proxy with TLS before it.")] = HOST,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 3001,
    as_json: Json = False,
) -> None:
    """Receive Shopify's webhooks until Ctrl-C: each becomes a request for an import."""
    import uvicorn

    from pipeline.operations.webhooks import PATH, Receiver, application

    refuse_taken_port(port, host, "pipeline webhooks")
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    with session() as current:
        receiver = Receiver(current.database, current.vault)
        url = f"http://{host}:{port}{PATH}"
        if as_json:
            show_json({"url": url})
        else:
            say(f"waiting for webhooks at {url}; Ctrl-C stops")
        try:
            uvicorn.run(
                application(receiver), host=host, port=port, log_level="warning", access_log=False, server_header=False,
                limit_concurrency=100, timeout_keep_alive=5, timeout_graceful_shutdown=5, lifespan="off",
            )  # fmt: skip
        finally:
            receiver.close()
