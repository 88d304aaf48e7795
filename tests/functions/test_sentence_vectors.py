"""Sentences on another subject than their chunk: their vectors of their own, by which the chunk is found."""

from __future__ import annotations

import companion
import politics
import psycopg
import pytest
from database import value

# What a document says beside its subject, a question for it, and a short text that does not answer it.
ASIDES = [
    ("The swimming pool closes at nine in the evening on weekdays.", "until when can I swim after work?",
     "The sauna opens at ten in the morning on weekdays."),
    ("Marta is allergic to peanuts and must not be offered any.", "which food should not be given to Marta?",
     "Peter does not eat fish, but everything else."),
    ("Parking in the courtyard costs four euros an hour.", "price for leaving my car in the yard",
     "Parking in the street is free after six."),
    ("The choir rehearses on Tuesdays in the old fire station.", "when and where do the singers practise?",
     "The chess club meets on Thursdays in the library."),
]  # fmt: skip
FIND = "SELECT (s.key ->> 'id')::int, s.passage FROM semantic_search(%s, 'paper', %s, 'vector') AS s"


def load(db: psycopg.Connection, sentences: str = "outlying") -> None:
    """Long documents 0 to 3, each of 30 sentences on politics and an aside, and short ones from 10."""
    db.execute("CREATE TABLE paper (id int PRIMARY KEY, body text)")
    texts = [text for text, _ in politics.sentences("train") if text.endswith(" .")]
    for number, (aside, _, other) in enumerate(ASIDES):
        body = [*texts[30 * number : 30 * number + 17], aside, *texts[30 * number + 17 : 30 * number + 30]]
        db.execute("INSERT INTO paper VALUES (%s, %s), (%s, %s)", (number, " ".join(body), 10 + number, other))
    db.execute("CALL semantic_index('paper', '{body}', sentences => %s)", (sentences,))


def test_a_sentence_among_others_is_found_by_its_passage(db: psycopg.Connection) -> None:
    """D10, in general."""
    load(db)
    for number, (aside, question, _) in enumerate(ASIDES):
        (found, passage), *_ = db.execute(FIND, (question, 1)).fetchall()
        assert found == number
        # The chunk around it, not the sentence alone.
        assert aside in passage
        assert len(passage) > 2 * len(aside)
    assert companion.differences(db) == {}
    vectors = db.execute("""
        SELECT substring(p.body FROM e.start_pos FOR e.end_pos - e.start_pos), e.words = '',
               e.embedding <=> llm_embed(substring(p.body FROM e.start_pos FOR e.end_pos - e.start_pos)) < 1e-3
        FROM paper AS p JOIN paper_embedding AS e USING (id)
    """).fetchall()
    sentences = {text for text, is_sentence, _ in vectors if is_sentence}
    assert {aside for aside, *_ in ASIDES} <= sentences
    assert len(sentences) < 30
    assert all(is_true for *_, is_true in vectors)
    # Short texts have one vector.
    assert value(db, "SELECT max(chunk) FROM paper_embedding WHERE id >= 10") == 1


def test_each_chunk_stands_in_a_result_once(db: psycopg.Connection) -> None:
    load(db, "all")
    for mode in ("vector", "hybrid"):
        query = """
            SELECT s.key, s.start_pos, s.passage FROM semantic_search(%s, 'paper', 50, %s, group_by => 'chunk') AS s
        """
        found = db.execute(query, ("the election of the president", mode)).fetchall()
        chunks = db.execute("SELECT id, start_pos FROM paper_embedding WHERE words <> ''").fetchall()
        assert sorted((row[0]["id"], row[1]) for row in found) == sorted(chunks)


def test_words_are_counted_once(db: psycopg.Connection) -> None:
    load(db, "all")
    db.execute("CALL semantic_index('paper', '{body}', name => 'plain', sentences => 'none')")
    query = "SELECT s.key, s.score, s.passage FROM semantic_search(%s, 'paper', 5, 'text', name => %s) AS s"
    for words in ("election", "peanuts for the president"):
        ours, plain = (db.execute(query, (words, name)).fetchall() for name in ("paper_embedding", "plain"))
        assert [row[::2] for row in ours] == [row[::2] for row in plain] != []
        assert [row[1] for row in ours] == pytest.approx([row[1] for row in plain], rel=1e-5)
    assert value(db, "SELECT bool_and(words <> '') FROM plain")


def test_sentences_follow_their_text(db: psycopg.Connection) -> None:
    load(db)
    aside, question, _ = ASIDES[1]
    db.execute("UPDATE paper SET body = replace(body, %s, 'Nothing else happened.') WHERE id = 1", (aside,))
    assert all(aside not in passage for _, passage in db.execute(FIND, (question, 20)))
    db.execute("UPDATE paper SET body = %s WHERE id = 1", (aside,))
    assert db.execute("SELECT chunk FROM paper_embedding WHERE id = 1").fetchall() == [(1,)]
    assert companion.differences(db) == {}


def test_the_option(db: psycopg.Connection) -> None:
    load(db, "none")
    assert value(db, "SELECT bool_and(words <> '') FROM paper_embedding")
    assert value(db, "SELECT sentences FROM llm.semantic_index") == "none"
    for wrong in ("some", None):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="sentences"):
            db.execute("CALL semantic_index('paper', '{body}', name => 'other', sentences => %s)", (wrong,))
    with pytest.raises(psycopg.errors.DuplicateObject, match="differs"):
        db.execute("CALL semantic_index('paper', '{body}')")
