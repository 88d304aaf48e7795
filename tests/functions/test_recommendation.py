from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from database import value
from films import FIT, shop
from psycopg import errors


def items(connection: psycopg.Connection, call: str, *values: object) -> list[str]:
    return [row[0] for row in connection.execute(f"SELECT * FROM {call}", values or None)]


def test_a_recommender_learns_habits(fitted: psycopg.Connection) -> None:
    last = str(value(fitted, "SELECT product FROM purchase WHERE customer = 3 ORDER BY bought DESC LIMIT 1"))
    rows = fitted.execute("SELECT * FROM recommend('3', 5)").fetchall()
    assert len(rows) == 5
    assert [score for _, score, _ in rows] == sorted((score for _, score, _ in rows), reverse=True)
    seen = {str(row[0]) for row in fitted.execute("SELECT product FROM purchase WHERE customer = 3")}
    assert not {item for item, _, _ in rows} & seen
    # The one that mostly follows; the reason names what the user had.
    assert rows[0][0] == str((int(last) + 2) % 40)
    titles = {
        row[0]
        for row in fitted.execute("SELECT title FROM product p JOIN purchase ON p.id = product WHERE customer = 3")
    }
    assert {reason.removeprefix("goes with ") for _, _, reason in rows} <= titles
    assert {item for item, _, _ in fitted.execute("SELECT * FROM recommend('3', 40, exclude_seen => false)")} > seen


def test_the_next_call_follows_an_event_at_once(fitted: psycopg.Connection) -> None:
    before = items(fitted, "recommend('7', 5)")
    new = value(
        fitted,
        """
        SELECT p.id FROM product AS p
        WHERE NOT EXISTS (SELECT FROM purchase WHERE customer = 7 AND product IN (p.id, (p.id + 2) %% 40))
        AND NOT ARRAY[p.id, (p.id + 2) %% 40] && %s::int[] LIMIT 1
    """,
        [int(item) for item in before],
    )
    fitted.execute("INSERT INTO purchase VALUES (7, %s, '2026-02-01 00:00+00', 1)", (new,))
    after = fitted.execute("SELECT * FROM recommend('7', 5)").fetchall()
    reasons = {item: reason for item, _, reason in after}
    assert reasons[str((new + 2) % 40)].endswith(f" number {new}")
    fitted.execute("BEGIN")
    fitted.execute("DELETE FROM purchase WHERE customer = 7 AND product = %s", (new,))
    assert items(fitted, "recommend('7', 5)") == before
    fitted.execute("ROLLBACK")


def test_who_is_unknown_gets_what_is_popular(fitted: psycopg.Connection) -> None:
    popular = fitted.execute("SELECT * FROM recommend('4711', 4)").fetchall()
    assert [reason for _, _, reason in popular] == ["popular lately"] * 4
    assert items(fitted, "recommend('no number at all', 4)") == [item for item, _, _ in popular]
    assert items(fitted, "recommend_for('{}', 4)") == [item for item, _, _ in popular]
    assert items(fitted, "recommend_for('{nothing,such}', 4)") == [item for item, _, _ in popular]
    assert items(fitted, "recommend(NULL)") == []
    assert items(fitted, "recommend('3', 0)") == []
    # More than there are: the list ends with the last.
    assert len(items(fitted, "recommend('4711', 1000)")) == 40


def test_a_session_without_a_user(fitted: psycopg.Connection) -> None:
    found = items(fitted, "recommend_for('{4,6,8}', 3)")
    assert "10" in found
    assert not set(found) & {"4", "6", "8"}
    assert found == items(fitted, "recommend_for(ARRAY['4', NULL, 'strange', '6', '8'], 3)")
    one = items(fitted, "recommend_for('{5}', 3)")
    assert one[0] in ("7", "3")


def test_batch_and_single_calls_agree(fitted: psycopg.Connection) -> None:
    rows = fitted.execute("SELECT * FROM recommend_batch('{1,2,nobody,NULL}', 3)").fetchall()
    for user in ("1", "2", "nobody"):
        single = fitted.execute("SELECT * FROM recommend(%s, 3)", (user,)).fetchall()
        assert [(user, rank, item, reason) for rank, (item, _, reason) in enumerate(single, 1)] == [
            (who, rank, item, reason) for who, rank, item, _, reason in rows if who == user
        ]
    assert len(rows) == 9


def test_filter_and_diversity(fitted: psycopg.Connection) -> None:
    tea = items(fitted, 'recommend(\'3\', 5, filter => \'{"kind": "tea", "price": {"<": 30}}\')')
    assert len(tea) == 5
    assert all(int(item) % 2 == 0 and int(item) < 30 for item in tea)
    plain, varied = items(fitted, "recommend('3', 8)"), items(fitted, "recommend('3', 8, diversity => 0.9)")
    assert plain[0] == varied[0]
    assert set(plain) != set(varied)
    with pytest.raises(errors.InvalidParameterValue, match='no column "colour"'):
        fitted.execute("SELECT * FROM recommend('3', filter => '{\"colour\": 1}')")


def test_similar_items(fitted: psycopg.Connection) -> None:
    rows = fitted.execute("SELECT * FROM similar_items('6', 5)").fetchall()
    assert len(rows) == 5
    assert "6" not in {item for item, _ in rows}
    assert all(-1 <= score <= 1 for _, score in rows)
    assert sum(int(item) % 2 == 0 for item, _ in rows) >= 4
    assert items(fitted, "similar_items('no such')") == items(fitted, "similar_items(NULL)") == []


def test_evaluation_is_on_events_kept_back(fitted: psycopg.Connection) -> None:
    rows = {row[0]: row[1:] for row in fitted.execute("SELECT * FROM llm_evaluate_recommender('shop', 10)")}
    assert list(rows) == ["hr", "ndcg", "mrr", "coverage", "novelty", "users"]
    assert rows["users"] == (60, 60, 60)
    own, popular, _ = rows["ndcg"]
    assert own > 2 * popular
    assert 0 < rows["mrr"][0] <= rows["hr"][0] <= 1
    small = {row[0]: row[1] for row in fitted.execute("SELECT * FROM llm_evaluate_recommender('shop', 1)")}
    assert small["hr"] == pytest.approx(small["ndcg"])
    assert small["hr"] < rows["hr"][0]
    for k in (0, -1, 101, None):
        with pytest.raises(errors.InvalidParameterValue, match="k must lie between"):
            fitted.execute("SELECT * FROM llm_evaluate_recommender('shop', %s::int)", (k,))


def test_what_is_deleted_is_not_recommended(fitted: psycopg.Connection) -> None:
    best = items(fitted, "recommend('3', 3)")
    fitted.execute("DELETE FROM product WHERE id = %s", (int(best[0]),))
    assert items(fitted, "recommend('3', 2)") == best[1:]
    assert best[0] not in items(fitted, "recommend('4711', 100)")
    assert best[0] not in items(fitted, "similar_items(%s, 50)", best[1])
    fitted.execute("SELECT llm_refit('shop', '{\"epochs\": 0}')")
    assert best[0] not in items(fitted, "recommend('3', 50)")


def test_a_new_item_is_known_by_its_text(fitted: psycopg.Connection) -> None:
    fitted.execute("INSERT INTO product VALUES (100, 'tea of Ceylon number 7', 'tea', 5)")
    assert "100" not in items(fitted, "recommend('3', 100)")
    said = value(fitted, "SELECT llm_refit('shop', '{\"epochs\": 0}')")
    assert said["items"] == 41
    found = items(fitted, "recommend('3', 100)")
    assert "100" in found
    assert sum(int(item) % 2 == 0 for item in items(fitted, "similar_items('100', 5)")) >= 3
    # An event on it counts, though the transformer has never seen it.
    fitted.execute("INSERT INTO purchase VALUES (3, 100, '2026-02-01 00:00+00', 1)")
    assert "100" not in items(fitted, "recommend('3', 100)")


@pytest.mark.slow
def test_items_without_events_stand_where_their_text_puts_them(db: psycopg.Connection) -> None:
    shop(db)
    db.execute("""
        INSERT INTO product
        SELECT n, (ARRAY['tea', 'coffee'])[n % 2 + 1] || ' of Ceylon number ' || n, '', 5
        FROM generate_series(40, 43) AS n;
        INSERT INTO product VALUES (44, '', 'no text', 5);
    """)
    said = value(db, FIT.replace('"epochs": 3', '"epochs": 40, "learning_rate": 0.01'))
    assert said["fresh"] == 4

    def places(given: str) -> list[int]:
        ranked = items(db, f"recommend_for('{given}', 45)")
        return [ranked.index(str(number)) for number in range(40, 45)]

    tea, coffee = places("{2,4,6}"), places("{3,5,7}")
    assert tea[0] + tea[2] < tea[1] + tea[3]
    assert coffee[0] + coffee[2] > coffee[1] + coffee[3]
    # They get their part of the first places, about one in ten, and no more; what has no text gets none.
    query = "SELECT item FROM recommend_batch(%s, 20)"
    found = [int(row[0]) for row in db.execute(query, ([str(user) for user in range(60)],))]
    assert 0.03 < sum(40 <= item < 44 for item in found) / len(found) < 0.2
    assert 44 not in found
    rows = db.execute("SELECT * FROM recommend('3', 20)").fetchall()
    assert [score for _, score, _ in rows] == sorted((score for _, score, _ in rows), reverse=True)
    assert items(db, "recommend('3', 10)") == [item for item, _, _ in rows[:10]]
    # Alone they have their own order.
    only = 'recommend_for(\'{2,4,6}\', 4, filter => \'{"id": {">=": 40, "<": 44}}\')'
    assert sorted(items(db, only), key=lambda item: tea[int(item) - 40]) == items(db, only)
    assert value(db, "SELECT llm_refit('shop', '{\"epochs\": 0}')")["fresh"] == 4
    tea = places("{2,4,6}")
    assert tea[0] + tea[2] < tea[1] + tea[3]
    db.execute("INSERT INTO purchase SELECT u, 40, '2026-02-01 00:00+00', 1 FROM generate_series(1, 9) AS u")
    assert value(db, "SELECT llm_refit('shop', '{\"epochs\": 1}')")["fresh"] == 3


def test_where_all_items_have_events_none_is_fresh(fitted: psycopg.Connection) -> None:
    said = value(fitted, "SELECT llm_refit('shop', '{\"epochs\": 0}')")
    assert (said["fresh"], said["lift"]) == (0, 0)
    assert value(fitted, "SELECT count(*) FROM recommender_shop WHERE fresh") == 0


@pytest.mark.slow
def test_a_large_catalogue_is_searched_as_far_as_it_takes(db: psycopg.Connection) -> None:
    shop(db)
    db.execute("INSERT INTO product SELECT n, 'cup number ' || n, 'cup', n % 7 FROM generate_series(100, 3000) AS n")
    value(db, FIT)
    db.execute("SET enable_seqscan = off; SET enable_sort = off")
    assert len(items(db, 'recommend(\'3\', 60, filter => \'{"kind": "cup", "price": 6}\')')) == 60
    filtered = "recommend('3', 20, filter => '{\"kind\": \"tea\"}', exclude_seen => false)"
    assert "popular lately" not in {row[2] for row in db.execute(f"SELECT * FROM {filtered}")}
    assert len(items(db, "recommend_for('{2,4}', 1000)")) == 1000


def test_a_refit_learns_new_habits(fitted: psycopg.Connection) -> None:
    fitted.execute("""
        INSERT INTO purchase SELECT u, p, timestamptz '2026-02-01 00:00+00' + s * interval '1 day', 1
        FROM generate_series(1000, 1200) AS u, (VALUES (1, 5), (2, 20), (3, 31)) AS v (s, p)
    """)
    said = value(fitted, "SELECT llm_refit('shop')")
    assert said["events"] == 720 + 603
    assert items(fitted, "recommend_for('{5,20}', 1)") == ["31"]
    assert value(fitted, "SELECT version FROM llm.recommender") == 2
    assert value(fitted, "SELECT count(DISTINCT version) FROM recommender_shop") == 1
    assert value(fitted, "SELECT count(*) FROM llm_runs WHERE model = 'shop'") == 2
    with pytest.raises(errors.InvalidParameterValue, match='"dimensions" cannot change'):
        fitted.execute("SELECT llm_refit('shop', '{\"dimensions\": 32}')")


def test_the_old_state_answers_while_a_refit_runs(
    fitted: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    before = items(fitted, "recommend('3', 5)")
    other = connect()
    refitted = threading.Event()

    def refit() -> None:
        other.execute("BEGIN")
        other.execute("SELECT llm_refit('shop')")
        refitted.set()

    worker = threading.Thread(target=refit)
    worker.start()
    answers = 0
    while not refitted.is_set():
        assert items(fitted, "recommend('3', 5)") == before
        answers += 1
        time.sleep(0.05)
    worker.join()
    assert answers > 5
    # Complete, but not committed.
    assert items(fitted, "recommend('3', 5)") == before
    other.execute("COMMIT")
    assert len(items(fitted, "recommend('3', 5)")) == 5
    assert value(fitted, "SELECT version FROM llm.recommender") == 2


def test_odd_events(db: psycopg.Connection) -> None:
    shop(db)
    db.execute("""
        INSERT INTO purchase VALUES
            (NULL, 1, now(), 1), (500, NULL, now(), 1), (500, 1, NULL, 1), (501, 2, now(), NULL), (502, 3, now(), 0),
            (503, 4, now(), -5), (504, 5, now(), 'nan'), (505, 777, now(), 1);
        INSERT INTO purchase SELECT 600, p, '2026-03-01 00:00+00', 1 FROM generate_series(1, 9) AS p;
        INSERT INTO purchase SELECT 601, 8, '2026-03-01 00:00+00', 1 FROM generate_series(1, 9);
    """)
    said = value(db, FIT.replace("'bought', items", "'bought', 'amount', items"))
    # User 501's NULL weighs 1; nine times the same at one moment is one; 777 is no product.
    assert said["events"] == 720 + 1 + 9 + 1
    # At one moment the order is that of writing.
    assert items(db, "recommend('600', 1)") == ["11"] or "10" in items(db, "recommend('600', 3)")
    assert items(db, "recommend('502', 2)") == items(db, "recommend('nobody', 2)")
    assert items(db, "recommend('501', 1)")[0] in ("4", "0")


def test_events_may_be_a_query(db: psycopg.Connection) -> None:
    shop(db)
    db.execute("CREATE SCHEMA mine; ALTER TABLE purchase SET SCHEMA mine; SET search_path = mine, public")
    query = "SELECT customer::text AS who, product AS what, bought AS at FROM purchase WHERE amount > 0"
    call = "SELECT llm_fit_recommender('q', %s, 'who', 'what', 'at', options => '{\"epochs\": 1, \"dimensions\": 8}')"
    assert value(db, call, query)["events"] == 720
    found = items(db, "recommend('3', 3)")
    db.execute("SET search_path = public")
    assert items(db, "recommend('3', 3, 'q')") == found
    assert len(items(db, "similar_items('6', 3)")) == 3
    with pytest.raises(errors.InvalidParameterValue, match="a filter needs the table of the items"):
        db.execute("SELECT * FROM recommend('3', filter => '{\"kind\": \"tea\"}')")
    value(db, "SELECT llm_refit('q')")
    db.execute("SELECT llm_drop_recommender('q')")
    assert value(db, "SELECT to_regclass('mine.recommender_q')") is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("NULL, 'purchase', 'customer', 'product', 'bought'", "name must not be NULL"),
        ("'x', NULL, 'customer', 'product', 'bought'", "events must not be NULL"),
        ("'x', 'purchase', NULL, 'product', 'bought'", "user_column must not be NULL"),
        ("'a b', 'purchase', 'customer', 'product', 'bought'", "not a model name"),
        (f"'{'x' * 46}', 'purchase', 'customer', 'product', 'bought'", "at most 45"),
        ("'x', 'nothing', 'customer', 'product', 'bought'", 'no table "nothing"'),
        ("'x', 'purchase', 'buyer', 'product', 'bought'", 'no column "buyer" for user_column'),
        ("'x', 'purchase', 'customer', 'product', 'bought', items => 'product'", "belong together"),
        ("'x', 'purchase', 'customer', 'product', 'bought', item_text => 'title'", "belong together"),
        ("'x', 'purchase', 'customer', 'product', 'bought', items => 'product', item_key => 'nr'", 'no column "nr"'),
        ("'x', 'purchase', 'customer', 'product', 'bought', options => '{\"epochs\": -1}'", "invalid value for option"),
        ("'x', 'purchase', 'customer', 'product', 'bought', options => '{\"heads\": 3}'", "multiple of"),
        ("'x', 'purchase', 'customer', 'product', 'bought', options => '{\"speed\": 3}'", "unknown option"),
        ("'x', 'SELECT 1 AS a, 2 AS b, 3 AS c', 'a', 'b', 'c'", "too few events"),
        ("'x', 'SELECT i AS a, i AS b, i AS c FROM generate_series(1, 9) AS i', 'a', 'b', 'c'", "too few events"),
        ("'x', 'purchase', 'customer', 'product', 'bought', 'product'", None),
    ],
)
def test_what_cannot_be_fitted(db: psycopg.Connection, arguments: str, says: str | None) -> None:
    shop(db)
    if says is None:
        db.execute("DELETE FROM purchase")
        says = "too few events"
    with pytest.raises(errors.InvalidParameterValue, match=says) as caught:
        db.execute(f"SELECT llm_fit_recommender({arguments})")
    assert caught.value.diag.message_hint or "NULL" in says or "at most" in says
    assert value(db, "SELECT count(*) FROM llm.recommender") == 0


def test_names(fitted: psycopg.Connection) -> None:
    with pytest.raises(errors.DuplicateObject, match="already registered"):
        fitted.execute(FIT)
    fitted.execute("CREATE TABLE recommender_other (a int)")
    with pytest.raises(errors.DuplicateObject, match="is in the way"):
        fitted.execute(FIT.replace("'shop'", "'other'"))
    with pytest.raises(errors.UndefinedObject, match='no recommender "none"') as caught:
        fitted.execute("SELECT * FROM recommend('1', recommender => 'none')")
    assert "llm.recommender" in caught.value.diag.message_hint
    with pytest.raises(errors.DependentObjectsStillExist, match="is a recommender's"):
        fitted.execute("SELECT llm_drop_model('shop')")
    fitted.execute(FIT.replace("'shop'", "'second'"))
    with pytest.raises(errors.InvalidParameterValue, match="several recommenders"):
        fitted.execute("SELECT * FROM recommend('1')")
    fitted.execute("SELECT llm_drop_recommender('second')")
    assert len(items(fitted, "recommend('1', 3)")) == 3
    fitted.execute("SELECT llm_drop_recommender('shop')")
    with pytest.raises(errors.UndefinedObject, match="there is no recommender yet"):
        fitted.execute("SELECT * FROM recommend('1')")
    assert value(fitted, "SELECT count(*) FROM llm_models WHERE task = 'recommendation'") == 0
    assert value(fitted, "SELECT count(*) FROM llm.model_file") == 0


@pytest.mark.parametrize("arguments", ["k => -1", "k => NULL", "k => 1001", "diversity => 2", "diversity => 'nan'"])
def test_arguments_out_of_range(fitted: psycopg.Connection, arguments: str) -> None:
    for call in ("recommend('1', {})", "recommend_for('{1}', {})", "recommend_batch('{1}', {})"):
        with pytest.raises(errors.InvalidParameterValue, match="must lie between"):
            fitted.execute(f"SELECT * FROM {call.replace('{}', arguments)}")


CALLS = (
    "recommend('1')",
    "recommend_for('{2,4}')",
    "recommend_batch('{1,2}')",
    "similar_items('6')",
    "llm_evaluate_recommender('shop')",
)


def test_rights(fitted: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]) -> None:
    reader = connect(role)
    for call in CALLS:
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute(f"SELECT * FROM {call}")
    # Even with the recommender's own table, and the products, to read.
    fitted.execute(f"GRANT SELECT ON recommender_shop, product TO {role}")
    for call in CALLS:
        with pytest.raises(errors.InsufficientPrivilege, match="purchase"):
            reader.execute(f"SELECT * FROM {call}")
    fitted.execute(f"GRANT SELECT ON purchase TO {role}")
    for call in CALLS:
        assert reader.execute(f"SELECT * FROM {call}").fetchall()
    for call in ("llm_refit('shop')", "llm_drop_recommender('shop')"):
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
            reader.execute(f"SELECT {call}")
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute(FIT.replace("'shop'", "'mine'"))


def test_who_may_read_the_events_may_ask(
    db: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    shop(db)
    db.execute(f"GRANT SELECT ON purchase, product TO {role}")
    db.execute(FIT)
    assert len(connect(role).execute("SELECT * FROM recommend('1')").fetchall()) == 10


def test_row_level_security(fitted: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]) -> None:
    fitted.execute(f"""
        GRANT SELECT ON purchase, product, recommender_shop TO {role};
        ALTER TABLE purchase ENABLE ROW LEVEL SECURITY; ALTER TABLE product ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON purchase USING (customer = 1); CREATE POLICY tea ON product USING (kind = 'tea');
    """)
    reader = connect(role)
    own = reader.execute("SELECT * FROM recommend('1', 5)").fetchall()
    # Another's history is not there, and hidden products are not shown.
    assert {row[2] for row in reader.execute("SELECT * FROM recommend('2', 5)")} == {"popular lately"}
    assert all(int(item) % 2 == 0 for item, _, _ in own)
    assert items(reader, "similar_items('6', 40)") == [
        item for item in items(fitted, "similar_items('6', 40)") if int(item) % 2 == 0
    ]


def test_a_fit_can_be_cancelled(db: psycopg.Connection) -> None:
    shop(db)
    db.execute("SET statement_timeout = '3s'")
    with pytest.raises(errors.QueryCanceled):
        db.execute(FIT.replace('"epochs": 3', '"epochs": 1000, "patience": 1000'))
    db.execute("RESET statement_timeout")
    assert value(db, "SELECT count(*) FROM llm.recommender") == 0
    assert value(db, "SELECT to_regclass('recommender_shop')") is None


def test_the_same_seed_makes_the_same_recommender(fitted: psycopg.Connection) -> None:
    fitted.execute(FIT.replace("'shop'", "'again'"))
    for user in ("1", "2"):
        lists = [
            fitted.execute("SELECT item FROM recommend(%s, 10, %s)", (user, name)).fetchall()
            for name in ("shop", "again")
        ]
        assert lists[0] == lists[1]


def test_in_the_backend(fitted: psycopg.Connection) -> None:
    shared = items(fitted, "recommend('5', 5)")
    fitted.execute("SET llm.engine = 'backend'")
    assert items(fitted, "recommend('5', 5)") == shared


def test_names_that_need_quotes(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE TABLE "The Events" ("who's" text, "what item" text, "at" int);
        INSERT INTO "The Events" SELECT 'u''' || u, 'i"' || (u + s) % 9, s
        FROM generate_series(1, 20) AS u, generate_series(1, 5) AS s;
    """)
    options = json.dumps({"epochs": 1, "dimensions": 8})
    call = """SELECT llm_fit_recommender('odd/name', '"The Events"', 'who''s', 'what item', 'at', options => %s)"""
    assert value(db, call, options)["items"] == 9
    assert len(items(db, "recommend(%s, 9)", "u'3")) == 4
    assert items(db, "recommend_for(%s, 1)", ['\'; DROP TABLE "The Events"; --'])
