"""CrossNER politics: real sentences with entities, also as labels and tags of whole sentences."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
from database import DATA

FOLDER = DATA / "ner" / "politics"


def sentences(part: str) -> list[tuple[str, list[dict[str, object]]]]:
    """Text and entities of each sentence; words are joined by one space, positions as llm_entities() has them."""
    found = []
    for block in Path(FOLDER, f"{part}.txt").read_text(encoding="utf-8").strip().split("\n\n"):
        text, entities = "", []
        for line in block.splitlines():
            word, tag = line.split("\t")[:2]
            start = len(text) + 1 if text else 0
            text = f"{text} {word}" if text else word
            if tag.startswith("B-"):
                entities.append({"label": tag[2:], "start_pos": start + 1, "end_pos": len(text) + 1})
            elif tag.startswith("I-"):
                entities[-1]["end_pos"] = len(text) + 1
        found.append((text, entities))
    return found


def load_politics(connection: psycopg.Connection) -> None:
    """Table sentence: part, text, entities, the kinds of entities as tags, and whether it speaks of elections."""
    connection.execute(
        "CREATE TABLE sentence (id serial PRIMARY KEY, part text, text text, entities jsonb, kinds text[], topic text)"
    )
    for part in ("train", "dev"):
        for text, entities in sentences(part):
            kinds = sorted({str(entity["label"]) for entity in entities})
            connection.execute(
                "INSERT INTO sentence (part, text, entities, kinds, topic) VALUES (%s, %s, %s, %s, %s)",
                (part, text, json.dumps(entities), kinds, "election" if "election" in kinds else "other"),
            )
