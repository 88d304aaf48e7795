"""The mentions of a question as every pass sees them: in order, some of them taken already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from pg_llm.ask.grammar.reading.parts import Measure, Reading
from pg_llm.ask.mention import Linked, Mention

JOINERS = {"and", "or", ",", "、", "和", "与", "及", "以及", "nor", "&", "或", "或者"}
# The total value of the sales: a sum of what each is worth.
_WORTH = {"value", "amount", "worth", "money"}


class Cursor:
    """What the passes share; mentions and tokens go by their places."""

    def __init__(self, linked: Linked) -> None:
        self.mentions = linked.mentions
        self.tokens = linked.tokens
        self.chinese = linked.chinese
        self.found = Reading(linked, unread=list(linked.unknown))
        self.done: set[int] = set()
        # The token at which the first measure begins.
        self.first_measure = len(linked.tokens)

    def of_kind(self, *kinds: str) -> Iterable[tuple[int, Mention]]:
        """The mentions of these kinds that are left."""
        for place, mention in enumerate(self.mentions):
            if mention.kind in kinds and place not in self.done:
                yield place, mention

    def take(self, *places: int) -> None:
        """What one pass has read no other reads."""
        self.done |= set(places)

    def drop(self, place: int) -> None:
        """What a word says here is nothing that is called so."""
        self.take(place)
        self.mentions[place].refs.clear()

    def free(self, mention: Mention | None) -> None:
        """Let a mention be read as something else."""
        if mention is not None:
            self.done -= {n for n, each in enumerate(self.mentions) if each is mention}

    def at(self, place: int | None) -> Mention | None:
        """The mention at a place."""
        return None if place is None else self.mentions[place]

    def after(
        self, place: int, kinds: Sequence[str] = ("element",), gap: int = 4, past: Sequence[str] = ("distinct", "group")
    ) -> int | None:
        """The mention of these kinds that follows closely; `past` may lie between."""
        for other in range(place + 1, len(self.mentions)):
            mention = self.mentions[other]
            if mention.start - self.mentions[other - 1].end > gap:
                return None
            if mention.kind in kinds and other not in self.done:
                return other
            if mention.kind not in past:
                return None
        return None

    def before(self, place: int, kinds: Sequence[str] = ("element",), gap: int = 3) -> int | None:
        """The mention of these kinds that stands right before, and closely."""
        other = place - 1
        if other >= 0 and other not in self.done and self.mentions[other].kind in kinds:
            return other if self.mentions[place].start - self.mentions[other].end <= gap else None
        return None

    def described(self, place: int) -> int | None:
        """The element that follows with values before it that say which, as red and blue cars; else the last value."""
        last = self.after(place, ("value",), 2, ("distinct",))
        while last is not None:
            of = self.after(last, ("element",), 0, ())
            if of is not None:
                return of
            more = self.after(last, ("value",), 1, ())
            if more is None or not set(self.between(last, more)) <= JOINERS:
                return last
            last = more
        return None

    def joined(self, place: int, but: Collection[str]) -> Iterator[int]:
        """The elements that a joiner hangs on this one, one after another, without these words between; taken."""
        while True:
            more = self.after(place, ("element",), 2, ())
            passed = self.between(place, more) if more is not None else []
            if more is None or not passed or passed[0] not in JOINERS or set(but) & set(passed):
                return
            self.take(more)
            yield more
            place = more

    def leads(self, place: int) -> bool:
        """Whether no element stands before this place."""
        return all(self.mentions[n].kind != "element" for n in range(place))

    def noun(self, place: int) -> int:
        """Enrolled students: the second, where the first only says which."""
        following = place + 1
        if following >= len(self.mentions) or following in self.done or self.mentions[following].kind != "element":
            return place
        its, first = self.mentions[following], self.mentions[place]
        said = self.word(first.end - 1).endswith(("ed", "ing", "en"))
        said = said or first.score < 0.8
        return following if its.start == first.end and said and its.names_table and its.score >= 0.75 else place

    def compound(self, place: int) -> int:
        """Course enrolments: the last of the nouns that stand together, which the others only describe."""
        while True:
            following = place + 1
            if following >= len(self.mentions) or following in self.done:
                return place
            its = self.mentions[following]
            if its.kind != "element" or its.start != self.mentions[place].end or its.role in ("verb", "done"):
                return place
            place = following

    def measure(self, place: int, of: int | None) -> Measure:
        """What the count or aggregate at a place makes of an element."""
        mention = self.mentions[place]
        said = self.stems(mention.start, mention.end + 2 if of is None else self.mentions[of].start)
        worth = mention.kind == "agg" and bool(_WORTH & set(said))
        its = self.text(mention)
        of_what = "count" if mention.kind == "count" else mention.said
        return Measure(of_what, self.at(of), worth=worth, persons="人" in its, times="次" in its)

    def closed(self, token: int) -> bool:
        """Whether a clause ends before a token."""
        return self.word(token) in ("", "?", ".", "!", ";") or self.word(token) in JOINERS

    def word(self, token: int) -> str:
        """The token at a place, in small letters; nothing beyond the ends."""
        return self.tokens[token].text.lower() if 0 <= token < len(self.tokens) else ""

    def text(self, mention: Mention) -> str:
        """A mention as it was written."""
        return " ".join(token.text for token in self.tokens[mention.start : mention.end])

    def between(self, left: int, right: int) -> list[str]:
        """The words between two mentions."""
        return self.stems(self.mentions[left].end, self.mentions[right].start)

    def stems(self, start: int, end: int) -> list[str]:
        """The stems of the tokens from one to before another."""
        return [token.stem for token in self.tokens[start:end]]
