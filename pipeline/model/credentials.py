"""Which credentials a service takes: names only. The values are `Secret`s and live in the vault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.model.errors import UsageError
from pipeline.model.secret import Secret

_MAX_LENGTH = 8192  # a header of twice that is refused by most servers


@dataclass(frozen=True)
class CredentialNames:
    """One of the `accepted` sets is needed, whole and alone; the `optional` ones may come with any of them.

    `where` says of a name (also of an account setting) where an operator finds it, `plain` which are no secrets while they are
    typed, `gone` why a name of former times is refused.
    """

    accepted: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()
    gone: Mapping[str, str] = field(default_factory=dict)

    def check(self, what: str, given: Mapping[str, Secret]) -> None:
        """Raise UsageError unless `given` is complete, without a name too many or an unusable value; none is quoted."""
        if not self.accepted:
            raise UsageError(f"{what} takes no credentials")
        for name in given:
            former = name.strip().casefold().replace("-", "_")
            if former in self.gone:
                raise UsageError(f"{what} takes no {former}: {self.gone[former]}; it takes {self}")
        known = dict.fromkeys([*(name for names in self.accepted for name in names), *self.optional])
        if any(name not in known for name in given):  # an unknown name is not quoted: it may be a secret in the wrong place
            raise UsageError(f"the credentials of {what} have an unknown name; it takes {self}")
        for name, secret in given.items():
            value = secret.reveal()
            if not value.strip() or len(value) > _MAX_LENGTH or not value.isprintable():
                raise UsageError(
                    f"the credential {name} of {what} must be a text of 1 to {_MAX_LENGTH} characters without line breaks or "
                    "control characters"
                )
        if set(given) - set(self.optional) not in map(set, self.accepted):
            raise UsageError(f"the credentials of {what} are not complete, or more than one kind; it takes {self}")

    def __str__(self) -> str:
        either = ", or ".join(_listed(names) for names in self.accepted)
        return either + (f" (and, if there is one, {_listed(self.optional)})" if self.optional else "")


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
