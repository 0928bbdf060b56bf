"""What only hearsay says of a product: sentences that a better text may not rest on without a person seeing it.

A sentence that tells a buyer something is taken over as a whole, in whatever words. One that speaks to whoever writes ("the box
still says 'Toy of the Year', keep that") is taken in part: what it names goes into the text, and the rest of it is dropped. So it
is not the order that must be recognized, in all the ways in which one can be put, but what became of its sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from pipeline.language.reading import facts
from pipeline.language.reading.sentences import sentences
from pipeline.language.reading.telling import tells
from pipeline.language.reading.wording import fold, lists, neutral, stem, visible

#: So many words of a sentence that tell something are dropped, and this share of them: it was taken in part.
_DROPPED, _DROPPED_SHARE = 2, 0.4
#: So many of all its words are, and this share of them.
_LEFT, _LEFT_SHARE = 4, 0.5
#: So many dropped words are of talk about texts, and this share of those that tell something is dropped.
_TALK, _TALK_SHARE = 2, 0.2
#: A sentence of which this share is dropped, and which talks, is a remark about its neighbors.
_REMARK_SHARE = 0.6
#: Letters of a word without its ending that still tell it from others.
_SHORTEST = 5
_QUESTIONS = ("?", "？", "؟")
#: A field of a product with more words is running text.
_LONGEST_FIELD = 30
#: Of an item of a field, such as a tag.
_LEFT_OF_ITEM = 0.34
#: Fields that are lists of "name: value".
NAMED = ("options", "attributes")
#: Fields of which a good text may leave out any word.
TITLES = ("title", "original_title")
_ITEMS = re.compile(r"[,;|\n]")
_INSERTED = re.compile(r"[()\[\]{}|;~]|\s[-–—]\s")
_MARKED = re.compile(r"[:=>()\[\]{}~]")
_TOKEN = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)?")
_BRACKETS = re.compile(r"[(\[{]([^()\[\]{}]+)[)\]}]")
_SQUARE = re.compile(r"[\[{]([^\[\]{}]+)[\]}]")
_INTRODUCTION = re.compile(r"(?:^|[.,;!?()\[\]{}–—]\s*)([^.,;:!?()\[\]{}–—]+?)\s?:\s")
_QUOTED = re.compile(r"[\"“”„«‘「]([^\"“”„«»’」]{3,})[\"”“»’」]")
#: Words in quotation marks, which are no inches and no apostrophes.
_SPOKEN = re.compile(r"(?<!\d)[\"“”„«‘「]\s?[^\W\d_][^\"“”„«»’」]{2,}[\"”“»’」]|(?<!\w)'[^\W\d_][^']{2,}'(?!\w)")
#: "This = that", and letters that no language has in which texts are judged.
_ODD = re.compile(r"\s=\s|→|[\u0400-\u07ff\u0900-\u0fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
#: The shop speaks of itself.
_WE = re.compile(r"(?i)(?<!\w)(?:we|us|our|wir|uns|unser\w{0,2}|nous|notre|nosotros|nuestr[ao]s?)(?!\w)")
#: Brackets and "this = that", odd letters, and a letter that stands for a name ("harvested by L's monks").
_SIGNS = re.compile(rf"[=>()\[\]{{}}~]|{_ODD.pattern}|(?<![\w'’])[A-Z]['’]s(?!\w)")


def is_for_buyers(sentence: str) -> bool:
    """Whether a sentence may be copied on its own: no question, and no word of talk about texts or to those who write them."""
    return not (_asks(sentence) or any(map(_of_talk, _words(sentence))))


def is_plain(sentence: str) -> bool:
    """Whether a sentence is for buyers, and has neither quotes nor odd signs nor the shop as "we": that it is copied or left out
    says nothing about its neighbors."""
    return is_for_buyers(sentence) and not (quotes(sentence) or _WE.search(sentence) or _SIGNS.search(sentence))


def speaks(sentence: str, *, running: bool) -> bool:
    """Whether a sentence may speak to whoever translates it: it asks, quotes, talks about texts or their languages. A short field
    (not `running` text), such as a title or a tag, needs two words of talk, or one where something is inserted."""
    talk = talks(sentence)
    if running:
        return bool(talk) or quotes(sentence) or _asks(sentence) or _ODD.search(sentence) is not None
    return talk > 1 or bool(talk and (quotes(sentence) or _MARKED.search(sentence)))


def talks(sentence: str) -> int:
    """How many words of talk a sentence has; naming another language or country counts as three."""
    words = sum(not _talk().isdisjoint(_forms(word)) for word in _words(sentence))
    return words + 3 * (_abroad().search(sentence) is not None)


def mentions_texts(sentence: str) -> bool:
    """Whether any word is one of talk, also at the end of a longer one, or names another language or country."""
    return any(map(_of_talk, _words(sentence))) or _abroad().search(sentence) is not None


def quotes(sentence: str) -> bool:
    return _SPOKEN.search(sentence) is not None


def parted(fields: Mapping[str, str], prose: str, answer: str, keywords: str, language: str) -> tuple[list[str], list[str]]:
    """What a product says that a text may rest on, and what of it is hearsay, given all texts that were written from it
    (`answer`, and search terms): sentences of `prose` and of long fields, and what is quoted or in brackets there; short fields
    (with the title) of which a part talks, and parts of them that were taken in part. Fields in `NAMED` are lists of "name:
    value"."""
    short, long = dict[str, str](), [prose]
    for name, field in fields.items():
        if name in NAMED or len(_words(field)) <= _LONGEST_FIELD:
            short[name] = field
        else:
            long.append(field)
    said = facts.Known([answer])
    ground, found = list[str](), list[str]()
    for name, field in short.items():
        for part, fair in _of_field(name, field, _Written(facts.Known([]), said, language)):
            (ground if fair else found).append(part)
    own = facts.Known(ground)
    running = [sentences(visible(text)) for text in long]
    rest = without(answer, (sentence for told in running for sentence in told))
    written, elsewhere, anywhere = (
        _Written(own, known, language) for known in (said, facts.Known([rest]), facts.Known([rest, keywords]))
    )
    for told in running:
        plain = list(map(is_plain, told))
        copied = [sentence in answer for sentence in told]
        # A sentence that was also copied is judged by what became of it elsewhere. If that is nothing, it was left as it is.
        judges = [elsewhere if same else written for same in copied]
        taken = [judge.taken(sentence) for judge, sentence in zip(judges, told, strict=True)]
        left_alone = [
            same and simple and not anywhere.uses(sentence) for sentence, same, simple in zip(told, copied, plain, strict=True)
        ]
        for place, sentence in enumerate(told):
            if left_alone[place]:
                ground.append(sentence)
                continue
            remarks = [at for at in (place - 1, place + 1) if 0 <= at < len(told) and taken[at].is_remark]
            if plain[place]:  # that a neighbor was dropped, says nothing, unless what is introduced here may be its point
                remarks = [at for at in remarks if not (left_alone[at] or (plain[at] and ":" not in sentence))]
            if taken[place].is_hearsay or remarks or judges[place].introduced(sentence):
                found.append(sentence)
                continue
            for inserted in sorted(judges[place].inserted(sentence), key=len, reverse=True):
                found.append(inserted)
                sentence = sentence.replace(inserted, " ")
            ground.append(sentence)
    return ground, found


def _of_field(name: str, field: str, written: _Written) -> Iterator[tuple[str, bool]]:
    """The parts of a short field, and whether a text may rest on each."""
    if written.misses_talk(field):
        yield field, False
        return
    for part in _ITEMS.split(field):
        value = part.partition(": ")[2] or part if name in NAMED else part
        yield part, not written.takes_part(value, title=name in TITLES)


def without(text: str, passages: Iterable[str]) -> str:
    """A text without the passages that stand in it word for word, the longest first."""
    for passage in sorted(passages, key=len, reverse=True):
        text = text.replace(passage, " ")
    return text


def resting(text: str, ground: facts.Known, known: facts.Known, language: str) -> Iterator[str]:
    """The words of a text that the source says (`known`), but not where it may rest on (`ground`)."""
    for word in _words(text):
        if _counts(word, language) and not _has(ground, word) and _has(known, word):
            yield word


@dataclass(frozen=True)
class _Taken:
    """Of the words of a sentence that count: how many there are, how many are in none of the new texts (`dropped`), how many of
    these talk. Of `all` its words, `left` are in none. `asks`: it is a question."""

    words: int
    dropped: int
    talk: int
    all: int
    left: int
    asks: bool
    odd: bool

    @property
    def is_hearsay(self) -> bool:
        return (
            self.asks or self.odd
            or (self.dropped >= _DROPPED and self.dropped >= _DROPPED_SHARE * self.words)
            or (self.left >= _LEFT and self.left >= _LEFT_SHARE * self.all)
            or (self.talk >= _TALK and self.dropped >= _TALK_SHARE * self.words)
        )  # fmt: skip

    @property
    def is_remark(self) -> bool:
        """About its neighbors: nothing of it is used, or it talks and hardly anything is."""
        if self.left == self.all >= _DROPPED:
            return True
        share = _REMARK_SHARE if self.talk >= _TALK else 1
        return self.talk > 0 and self.dropped >= share * self.words and (self.asks or self.dropped >= _DROPPED)


@dataclass(frozen=True)
class _Written:
    """What is in a product's short fields (`own`), and in all texts that were written (`said`)."""

    own: facts.Known
    said: facts.Known
    language: str

    def taken(self, sentence: str) -> _Taken:
        words = [word for word in _words(sentence) if _of_talk(word) or (self._counts(word) and not _has(self.own, word))]
        dropped = [word for word in words if not _has(self.said, word)]
        plain = [word for word in _words(sentence) if _is_plain(word, self.language)]
        return _Taken(
            len(words), len(dropped), sum(map(_of_talk, dropped)), len(plain), self._left(plain), _asks(sentence),
            _ODD.search(sentence) is not None,
        )  # fmt: skip

    def uses(self, sentence: str) -> bool:
        """Whether any word of it is in what was written."""
        words = [word for word in _words(sentence) if _is_plain(word, self.language)]
        return self._left(words) < len(words)

    def introduced(self, sentence: str) -> bool:
        """Whether something in a sentence is introduced, before a colon, by words of which nothing is used."""
        for head in _INTRODUCTION.findall(sentence):
            words = [word for word in _words(head) if _of_talk(word) or self._counts(word)]
            if (len(words) > 1 or any(map(_of_talk, words))) and self._left(words) == len(words):
                return True
        return False

    def inserted(self, sentence: str) -> list[str]:
        """What is quoted in a sentence whose own words are dropped, brackets that talk, and square ones that drop a word."""
        around = [word for word in _words(_QUOTED.sub(" ", sentence)) if _is_plain(word, self.language)]
        quoted = _QUOTED.findall(sentence) if self._left(around) >= _DROPPED else []
        square = [part for part in _SQUARE.findall(sentence) if self._left(filter(self._counts, _words(part)))]
        return [*quoted, *square, *filter(self.misses_talk, _BRACKETS.findall(sentence))]

    def takes_part(self, item: str, *, title: bool) -> bool:
        """Whether of an item of a field only some words were taken; of a title only in what is put in, as by brackets."""
        for part in _INSERTED.split(item)[1:] if title else [item]:
            words = [word for word in _words(part) if _is_plain(word, self.language)]
            left = self._left(words)
            share = 0 if _MARKED.search(part) else _LEFT_OF_ITEM
            if 0 < left < len(words) and left >= share * len(words):
                return True
        return False

    def misses_talk(self, part: str) -> bool:
        return any(_of_talk(word) and not _has(self.said, word) for word in _words(part))

    def _counts(self, word: str) -> bool:
        return _counts(word, self.language)

    def _left(self, words: Iterable[str]) -> int:
        return sum(not _has(self.said, word) for word in words)


def _asks(sentence: str) -> bool:
    return sentence.rstrip(" \"'”»)*_").endswith(_QUESTIONS)


def _words(text: str) -> list[str]:
    """Words and numbers, each once."""
    return list(dict.fromkeys(_TOKEN.findall(text)))


def _is_plain(word: str, language: str) -> bool:
    return word.isdecimal() or (len(word) > 2 and fold(word) not in neutral(language))


def _counts(word: str, language: str) -> bool:
    return word.isdecimal() or tells(word, language)


def _has(known: facts.Known, word: str) -> bool:
    return word in _digits(known.text) if word.isdecimal() else known.has_form(word)


@lru_cache(maxsize=64)
def _digits(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\d+", text))


@lru_cache(maxsize=65_536)
def _of_talk(word: str) -> bool:
    found, talk = _forms(word), _talk()
    longest = max(found, key=len)
    return not talk.isdisjoint(found) or any(longest[place:] in talk for place in range(3, len(longest) - 4))  # Onlinetitel


def _forms(word: str) -> set[str]:
    """A word as it is, and without its ending where enough is left ("order" is no form of Swedish "ord")."""
    found = stem(word)
    return {fold(word), found} if len(found) >= _SHORTEST else {fold(word)}


@cache
def _abroad() -> re.Pattern[str]:
    """ "In English", "auf Deutsch", "abroad"."""
    into, languages, more = ("|".join(map(str, lists("abroad")[part].values())) for part in ("into", "languages", "more"))
    return re.compile(rf"(?i)\b(?:(?:{into})\s+(?:{languages})|{more})(?!\w)")


@cache
def _talk() -> frozenset[str]:
    """As listed, and without endings where enough is left to know a word by."""
    words = [fold(word) for listed in lists("talk").values() for word in str(listed).split()]
    return frozenset([*words, *(found for found in map(stem, words) if len(found) >= _SHORTEST)])
