"""The parsing state that the reading passes share: mentions in order, and which of them are consumed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from pg_llm.ask.grammar.reading.parsed_question import Measure, ParsedQuestion
from pg_llm.ask.mention import LinkedQuestion, Mention

CONJUNCTIONS = {"and", "or", ",", "、", "和", "与", "及", "以及", "nor", "&", "或", "或者"}
# Nouns that make a total a sum of money: the total value of the sales.
_MONETARY_WORDS = {"value", "amount", "worth", "money"}


class Cursor:
    """Navigation over mentions and tokens, both addressed by their index."""

    def __init__(self, linked: LinkedQuestion) -> None:
        self.mentions = linked.mentions
        self.tokens = linked.tokens
        self.chinese = linked.chinese
        self.parsed = ParsedQuestion(linked, unread=list(linked.unlinked))
        self.consumed: set[int] = set()
        # The token at which the first measure begins.
        self.first_measure = len(linked.tokens)

    def of_kind(self, *kinds: str) -> Iterable[tuple[int, Mention]]:
        """The mentions of these kinds that no pass has consumed."""
        for index, mention in enumerate(self.mentions):
            if mention.kind in kinds and index not in self.consumed:
                yield index, mention

    def consume(self, *places: int) -> None:
        """Mark mentions as read."""
        self.consumed |= set(places)

    def discard(self, index: int) -> None:
        """Consume a mention that is no name in this context."""
        self.consume(index)
        self.mentions[index].refs.clear()

    def release(self, mention: Mention | None) -> None:
        """Let a consumed mention be read again."""
        if mention is not None:
            self.consumed -= {n for n, candidate in enumerate(self.mentions) if candidate is mention}

    def mention_at(self, index: int | None) -> Mention | None:
        """The mention at this index."""
        return None if index is None else self.mentions[index]

    def after(
        self, index: int, kinds: Sequence[str] = ("element",), gap: int = 4, past: Sequence[str] = ("distinct", "group")
    ) -> int | None:
        """The next mention, if it is of these kinds and at most `gap` tokens away; kinds in `past` are skipped."""
        for other in range(index + 1, len(self.mentions)):
            mention = self.mentions[other]
            if mention.start - self.mentions[other - 1].end > gap:
                return None
            if mention.kind in kinds and other not in self.consumed:
                return other
            if mention.kind not in past:
                return None
        return None

    def before(self, index: int, kinds: Sequence[str] = ("element",), gap: int = 3) -> int | None:
        """The previous mention, if it is of these kinds and at most `gap` tokens away."""
        other = index - 1
        if other >= 0 and other not in self.consumed and self.mentions[other].kind in kinds:
            return other if self.mentions[index].start - self.mentions[other].end <= gap else None
        return None

    def described_element(self, index: int) -> int | None:
        """The element after values that modify it, as in red and blue cars; without an element the last value."""
        last = self.after(index, ("value",), 2, ("distinct",))
        while last is not None:
            element = self.after(last, ("element",), 0, ())
            if element is not None:
                return element
            more = self.after(last, ("value",), 1, ())
            if more is None or not set(self.stems_between(last, more)) <= CONJUNCTIONS:
                return last
            last = more
        return None

    def conjoined(self, index: int, but: Collection[str]) -> Iterator[int]:
        """Elements joined to this one by conjunctions, without these words between; consumes them."""
        while True:
            more = self.after(index, ("element",), 2, ())
            passed = self.stems_between(index, more) if more is not None else []
            if more is None or not passed or passed[0] not in CONJUNCTIONS or set(but) & set(passed):
                return
            self.consume(more)
            yield more
            index = more

    def is_first_element(self, index: int) -> bool:
        """True if no element stands before this index."""
        return all(self.mentions[n].kind != "element" for n in range(index))

    def head_noun(self, index: int) -> int:
        """The head of a noun with a participle before it: students in enrolled students."""
        following = index + 1
        if following >= len(self.mentions) or following in self.consumed or self.mentions[following].kind != "element":
            return index
        second, first = self.mentions[following], self.mentions[index]
        is_modifier = self.word(first.end - 1).endswith(("ed", "ing", "en"))
        is_modifier = is_modifier or first.score < 0.8
        return (
            following
            if second.start == first.end and is_modifier and second.names_table and second.score >= 0.75
            else index
        )

    def compound_head(self, index: int) -> int:
        """The head of a compound noun: enrolments in course enrolments."""
        while True:
            following = index + 1
            if following >= len(self.mentions) or following in self.consumed:
                return index
            mention = self.mentions[following]
            if (
                mention.kind != "element"
                or mention.start != self.mentions[index].end
                or mention.role in ("verb", "done")
            ):
                return index
            index = following

    def measure(self, index: int, operand: int | None) -> Measure:
        """The measure that a count or aggregate marker makes of an operand."""
        mention = self.mentions[index]
        stems = self.stems(mention.start, mention.end + 2 if operand is None else self.mentions[operand].start)
        monetary = mention.kind == "agg" and bool(_MONETARY_WORDS & set(stems))
        text = self.text(mention)
        of_what = "count" if mention.kind == "count" else mention.normalized
        return Measure(
            of_what,
            self.mention_at(operand),
            monetary=monetary,
            counts_persons="人" in text,
            counts_events="次" in text,
        )

    def ends_clause(self, token: int) -> bool:
        """True if a clause ends before this token."""
        return self.word(token) in ("", "?", ".", "!", ";") or self.word(token) in CONJUNCTIONS

    def word(self, token: int) -> str:
        """The lower-case text of a token; empty beyond the ends."""
        return self.tokens[token].text.lower() if 0 <= token < len(self.tokens) else ""

    def text(self, mention: Mention) -> str:
        """The text of a mention as written."""
        return " ".join(token.text for token in self.tokens[mention.start : mention.end])

    def stems_between(self, left: int, right: int) -> list[str]:
        """The stems between two mentions."""
        return self.stems(self.mentions[left].end, self.mentions[right].start)

    def stems(self, start: int, end: int) -> list[str]:
        """The stems of the tokens from `start` to before `end`."""
        return [token.stem for token in self.tokens[start:end]]
