"""CrossRE politics: real sentences with entities and the relations between them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from database import DATA

FOLDER = DATA / "relations"
# Label, start and end in the text, from 0.
Entity = tuple[str, int, int]


class Sentence(NamedTuple):
    """A text, its entities, and its relations as (predicate, subject, object)."""

    text: str
    entities: list[Entity]
    relations: set[tuple[str, Entity, Entity]]

    @property
    def items(self) -> list[tuple[str, int, int, int, int]]:
        """The relations as measures count them: spans must be the same to the character."""
        return [(name, *subject[1:], *target[1:]) for name, subject, target in self.relations]

    @property
    def row(self) -> str:
        """What llm_fit() learns relations from; each entity is in it, some in no relation."""
        pairs = [*self.relations, *((None, one, other) for one, other in pairwise(self.entities))]
        return json.dumps(
            [
                {
                    "predicate": name,
                    "subject_type": subject[0],
                    "subject_start": subject[1] + 1,
                    "subject_end": subject[2] + 1,
                    "object_type": target[0],
                    "object_start": target[1] + 1,
                    "object_end": target[2] + 1,
                }
                for name, subject, target in pairs
            ]
        )

    @property
    def labels(self) -> str:
        """What llm_fit() learns entities from."""
        return json.dumps(
            [{"label": label, "start_pos": start + 1, "end_pos": end + 1} for label, start, end in self.entities]
        )


def sentences(part: str) -> list[Sentence]:
    """The sentences of a part: train, dev or test; tokens are joined by one space."""
    found = []
    for line in Path(FOLDER, f"politics-{part}.json").read_text(encoding="utf-8").splitlines():
        given = json.loads(line)
        places: list[tuple[int, int]] = []
        for token in given["sentence"]:
            start = places[-1][1] + 1 if places else 0
            places.append((start, start + len(token)))
        entities = {(first, last): (label, places[first][0], places[last][1]) for first, last, label in given["ner"]}
        relations = {(item[4], entities[tuple(item[:2])], entities[tuple(item[2:4])]) for item in given["relations"]}
        found.append(
            Sentence(" ".join(given["sentence"]), sorted(entities.values(), key=lambda each: each[1:]), relations)
        )
    return found
