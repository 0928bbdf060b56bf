"""A secret text that does not show itself: what credentials are, from the vault to the request header."""

from __future__ import annotations

import hmac
from typing import NoReturn

_SHOWN = "Secret('**********')"


class Secret:
    """A text that only `reveal()` gives out. Printing, formatting, pickling and JSON do not, so that a run in which a secret
    strays into a log, a table or a task's result fails or shows stars."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError("a secret is a text")  # and the message does not quote it
        self._value = value

    def reveal(self) -> str:
        """The text itself. Call it where it is sent, and keep no variable of it."""
        return self._value

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, specification: str) -> str:
        return format(_SHOWN, specification)

    def __eq__(self, other: object) -> bool:
        """In constant time, and only to another secret."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    __hash__ = None  # type: ignore[assignment]  # the place in a dict or set would tell of the text

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied; pass the store or connection that it belongs to")

    def __reduce__(self) -> NoReturn:
        self.__reduce_ex__(0)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
