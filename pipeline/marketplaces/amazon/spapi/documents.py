"""Documents behind presigned URLs: feeds that are uploaded, reports that are downloaded. No token goes there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from pipeline.marketplaces.amazon.spapi.client import tables
from pipeline.model.errors import BadInputError
from pipeline.model.secret import Secret
from pipeline.platform.http import ApiError, Service
from pipeline.platform.inflate import inflate
from pipeline.settings import api_url

CONTENT_TYPE = "application/json; charset=UTF-8"
#: Most bytes of a report, inflated; one about 25,000 messages has about 30 MB.
MAX_REPORT = 256 << 20


def upload(service: Service, url: Secret, content: bytes) -> None:
    """Put `content` there; raises ApiError, with status 403 when the URL has expired."""
    answer = service.send("PUT", _checked(service, url), content=content, headers={"Content-Type": CONTENT_TYPE})
    if not answer.ok:
        raise service.refused(answer, "refused the upload")


def download(
    service: Service, url: Secret, *, gzip: bool, most: int = MAX_REPORT, what: str = "the processing report"
) -> bytes:  # fmt: skip
    """The document, inflated. Raises ApiError (status 403: the URL has expired), BadInputError for one that is damaged,
    explodes or has more than `most` bytes."""

    def read(blocks: Iterator[bytes]) -> bytes:
        return b"".join(_capped(inflate(blocks, what) if gzip else blocks, most, what))

    return service.download(_checked(service, url), read, max_bytes=MAX_REPORT)


def _capped(blocks: Iterable[bytes], most: int, what: str) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > most:
            raise BadInputError(f"{what} has more than {most >> 20} MiB, which none has")
        yield block


def _checked(service: Service, url: Secret) -> str:
    """The URL, if it leads where Amazon keeps documents: what an answer says is not to be trusted with a merchant's catalog."""
    try:
        host = urlsplit(url.reveal()).hostname or ""
    except ValueError:
        host = ""
    ours = urlsplit(api_url("AMAZON") or "").hostname
    if not (host.endswith(tuple(tables()["document_hosts"])) or host == ours):
        raise ApiError(service.name, f"{service.name} named a place for a document that is not one of its own; nothing was sent")
    return url.reveal()
