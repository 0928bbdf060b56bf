"""Plural groups: keys such as `cart.items.one` and `cart.items.other`, or `items_one` and `items_other`, are forms of one label.

Shopify, Rails and Vue write an object of categories, i18next writes suffixes; as dotted keys both look the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.language.languages import CATEGORIES

_FORM = re.compile(rf"(.+)([._])({'|'.join(CATEGORIES)})", re.DOTALL)


@dataclass(frozen=True)
class Group:
    """`members`: category -> the key as it is in the file, in the file's order."""

    key: str
    separator: str
    members: Mapping[str, str]

    @property
    def last(self) -> str:
        """The key of the last member."""
        return list(self.members.values())[-1]

    def form_of(self, key: str) -> str:
        return key[len(self.key) + len(self.separator) :]


def plural_groups(keys: Sequence[str]) -> dict[str, Group]:
    """The group of each member key.

    A group has `other` and at least one more category. An object of categories that also has other members is none (`one`
    and `other` may be words of their own there), nor is a suffix group whose bare key is a label itself.
    """
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    members: dict[str, int] = defaultdict(int)
    for key in keys:
        match = _FORM.fullmatch(key)
        if match:
            found[match[1], match[2]][match[3]] = key
        members[key.rpartition(".")[0]] += 1
    known = set(keys)
    groups: dict[str, Group] = {}
    for (base, separator), forms in found.items():
        whole = members[base] == len(forms) if separator == "." else base not in known
        if whole and "other" in forms and len(forms) > 1:
            groups |= dict.fromkeys(forms.values(), Group(base, separator, forms))
    return groups
