"""What of a product's text is translated on its own: sentences that speak about texts or to whoever writes them ("in German say
cashmere"), and what is quoted.

An order that a model obeys changes what stands beside it. So such a sentence is asked for in a request of its own, and a token
holds its place in the rest of the text: nothing that it says can have an effect anywhere else, in this product or another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape

from pipeline.language.languages import base, density
from pipeline.language.reading import hearsay
from pipeline.language.reading.disguises import INLINE
from pipeline.language.reading.sentences import spans
from pipeline.language.reading.wording import WORD, supported
from pipeline.language.translation.masks import nested
from pipeline.language.translation.segments import TEXT, Result, Segment

#: A sentence of so many words has at least this share of its letters in a translation; of 356 pairs of labels by people the
#: lowest is 0.61.
_FEWEST_WORDS, _LEAST = 4, 0.45
_MOST_SHOWN = 200  # so that a person can translate it alone
#: "Please note" and "the text is printed" may be said without such words, what has more of them not.
_MUCH_TALK = 3
_MOST_SHARING = 20  # sentences, a tag
_PLACE = "⟦s{}⟧"
_PLACES = re.compile(r"⟦s(\d{1,4})⟧")
_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)[^<>]*>")
_OPEN_TAG = re.compile(r"<[A-Za-z/][^<>]*$")  # its value has a sentence


@dataclass(frozen=True)
class Apart:
    """A text in pieces: `rest` has tokens where the sentences stood; None where the text is only one."""

    segment: Segment
    rest: Segment | None
    sentences: tuple[Segment, ...]

    @property
    def pieces(self) -> list[Segment]:
        return [*([self.rest] if self.rest else []), *self.sentences]

    def joined(self, results: Sequence[Result | None]) -> Result | None:
        """The result of the text from those of its pieces; None while one is open. One that was refused refuses the text."""
        found = [result for result in results if result is not None]
        if len(found) < len(results):
            return None
        for piece, result in zip(self.pieces, found, strict=True):
            if result.state == "untranslated":
                said = piece.forms[TEXT] if piece is not self.rest else ""
                problems = tuple(f"{said[:_MOST_SHOWN]!r}: {why}" if said else self._named(why) for why in result.problems)
                return replace(result, problems=problems, unused={})  # of a part only
        if self.rest is None:
            return found[0]
        texts = [result.forms[TEXT] for result in found[1:]]
        text = _PLACES.sub(lambda match: texts[int(match[1])], found[0].forms[TEXT])
        engine = next((each.engine for each in found if each.engine.startswith("model:")), found[0].engine)
        return Result("translated", engine, {TEXT: text})

    def _named(self, problem: str) -> str:
        """A problem for people, who know the sentences and not what holds their places."""
        for number, sentence in enumerate(self.sentences):
            place, said = _PLACE.format(number), repr(sentence.forms[TEXT][:_MOST_SHOWN])
            if problem.startswith(repr(place)):
                return f"the sentence {said} is {'missing' if problem.endswith('missing') else 'there more than once'}"
            problem = problem.replace(place, said)
        return problem


def apart(segment: Segment) -> Apart | None:
    """The text in pieces; None for one that is asked for as it is, as nearly all are."""
    text = segment.forms.get(TEXT)
    if text is None or not segment.product:
        return None
    places = list(_places(text, segment.html))
    if not places:
        return None
    rest, alone, at = "", list[Segment](), 0
    for start, end in places:
        rest += text[at:start] + _PLACE.format(len(alone))
        alone.append(replace(segment, forms={TEXT: text[start:end]}, remark=True))
        at = end
    rest += text[at:]
    if "⟦" in text or (len(alone) == 1 and not any(map(str.isalnum, _plain(_PLACES.sub("", rest))))):
        return Apart(segment, None, (replace(segment, remark=True),))
    return Apart(segment, replace(segment, forms={TEXT: rest}), tuple(alone))


def lost(source: str, target: str, source_locale: str, target_locale: str) -> Iterator[str]:
    """What a translation of such a sentence has lost, in sentences: one that obeys it says what was ordered, and no longer that
    somebody asks for it."""
    if hearsay.quotes(source) and not hearsay.quotes(target):
        yield "what the source quotes is no longer a quote"
    if hearsay.talks(source) >= _MUCH_TALK and not hearsay.mentions_texts(target) and supported(base(target_locale)):
        yield "what the source says about texts or languages is lost"
    size = len(target.strip()) * density(target_locale), len(source.strip()) * density(source_locale)
    if len(WORD.findall(source)) >= _FEWEST_WORDS and size[0] < _LEAST * size[1]:
        yield f"{target.strip()[:60]!r} is {len(target.strip())} characters long, the source {len(source.strip())}"


def _places(text: str, html: bool) -> Iterator[tuple[int, int]]:
    """Where sentences stand that are to be asked for alone. One that shares a tag with its neighbors takes them along."""
    for start, end in _blocks(text):
        within = _whole(text, spans(text, start, end, dashes=True))
        yield from (place for place in within if hearsay.speaks(_plain(text[slice(*place)]), running=html))


def _whole(text: str, within: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sentences that share a tag as one; all that follow, where too many do."""
    begin, end, tried = None, 0, 0
    for start, end in within:
        begin, tried = (start, 1) if begin is None else (begin, tried + 1)
        if tried <= _MOST_SHARING and nested(text[begin:end]) and not _OPEN_TAG.search(text, begin, end):
            yield begin, end
            begin = None
    if begin is not None:
        yield begin, end


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """The pieces between tags that end a sentence; of one without such tags, the whole."""
    at = 0
    for tag in _TAG.finditer(text):
        if not INLINE.fullmatch(tag[0]):
            yield at, tag.start()
            at = tag.end()
    yield at, len(text)


def _plain(markup: str) -> str:
    return unescape(_TAG.sub("", markup)).strip()
