"""Which of two lists belong together, each used once: what a text has of another is counted, not only looked up."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence


def first_shared(wanted: Iterable[Iterable[Hashable]], offered: Sequence[Iterable[Hashable]]) -> Iterator[int | None]:
    """For the keys of each that is wanted the place of the first that offers one of them and is not taken yet; None for none.
    Linear in the number of keys, so that a text of a thousand equal numbers costs no more than one of different ones."""
    places: dict[Hashable, list[int]] = {}
    for place in reversed(range(len(offered))):
        for key in offered[place]:
            places.setdefault(key, []).append(place)
    taken = set[int]()
    for keys in wanted:
        found = [places[key] for key in keys if key in places]
        for one in found:
            while one and one[-1] in taken:
                one.pop()
        first = min((one[-1] for one in found if one), default=None)
        if first is not None:
            taken.add(first)
        yield first
