from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.ask.grammar import (
    fillers,
    place_names,
    synthesis,
    tokenizer,
    word_forms,
)
from pg_llm.ask.grammar.query import Condition, Expr, Query, SqlWriter
from pg_llm.ask.mention import NameMatcher, ValueMatch
from pg_llm.ask.schema import Edge, Schema, SchemaColumn, SchemaTable

NUMBER, TEXT, DATE = "number", "text", "date"


def table(name: str, columns: dict[str, str], key: str | None = None) -> SchemaTable:
    its = [SchemaColumn(column, column, kind, kind, unique=column == key) for column, kind in columns.items()]
    return SchemaTable(hash(name), name, name, its, key=[list(columns).index(key)] if key else [])


def library() -> Schema:
    return Schema(
        [
            table("writer", {"wid": NUMBER, "name": TEXT, "country": TEXT}, "wid"),
            table("wrote", {"wid": NUMBER, "bid": NUMBER}),
            table("book", {"bid": NUMBER, "title": TEXT, "pages": NUMBER, "published": DATE}, "bid"),
        ]
    )


def zoo() -> Schema:
    return Schema(
        [
            table("zkkeep", {"zkk_id": NUMBER, "zkk_nm": TEXT, "zkk_dstrct": TEXT}, "zkk_id"),
            table("zkanml", {"zka_id": TEXT, "zka_nm": TEXT, "zka_wt": NUMBER, "zka_kid": NUMBER}, "zka_id"),
            table("zkfeed", {"zkf_no": NUMBER, "zkf_anmlid": TEXT, "zkf_feeddt": DATE, "zkf_prtn": NUMBER}, "zkf_no"),
        ]
    )


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        (
            "How many keepers are there per district?",
            "SELECT zkk_dstrct, count(*) AS count FROM zkkeep GROUP BY zkk_dstrct",
        ),
        (
            "Which animals have never had a feed?",
            "SELECT zka_nm FROM zkanml WHERE NOT EXISTS (SELECT 1 FROM zkfeed WHERE zkfeed.zkf_anmlid = zkanml.zka_id)",
        ),
        (
            "What is the average weight of the animals of each keeper?",
            "SELECT zkkeep.zkk_nm, avg(zkanml.zka_wt) AS avg_zka_wt FROM zkanml JOIN zkkeep"
            " ON zkanml.zka_kid = zkkeep.zkk_id GROUP BY zkkeep.zkk_nm, zkkeep.zkk_id",
        ),
        ("What is the total portion?", "SELECT sum(zkf_prtn) FROM zkfeed"),
    ],
)
def test_names_with_prefixes_and_short_forms_are_read(question: str, sql: str) -> None:
    assert synthesis.candidates(question, zoo(), [])[0][0].sql == sql


def test_keys_are_the_same_but_for_the_prefixes_of_their_tables() -> None:
    schema = Schema(
        [
            table("berth", {"b_berthkey": NUMBER, "b_name": TEXT, "b_depth": NUMBER}, "b_berthkey"),
            table("mooring", {"m_id": NUMBER, "m_name": TEXT, "m_berthkey": NUMBER, "m_from": DATE}, "m_id"),
            table("tug", {"t_id": NUMBER, "t_name": TEXT, "t_mid": NUMBER}, "t_id"),
        ]
    )
    found = [(edge.source, edge.target, edge.columns) for edge in schema.edges]
    assert sorted(found) == [(1, 0, ((2, 0),)), (2, 1, ((2, 0),))]


def test_names_say_several_words_as_one_or_by_first_letters() -> None:
    ward = table("ward", {"wid": NUMBER, "name": TEXT, "nightnurse": TEXT, "bmi": NUMBER}, "wid")
    for question, sql in (
        ("List the night nurses.", "SELECT DISTINCT nightnurse FROM ward"),
        ("What is the average body mass index?", "SELECT avg(bmi) FROM ward"),
    ):
        assert synthesis.candidates(question, Schema([ward]), [])[0][0].sql == sql


def test_a_number_named_after_a_table_is_not_what_its_rows_are() -> None:
    schema = Schema(
        [
            table("parcel", {"prcl_no": TEXT, "label": TEXT}, "prcl_no"),
            table("scan", {"sid": NUMBER, "prcl_no": TEXT, "depot": TEXT}, "sid"),
        ]
    )
    first, *others = synthesis.candidates("Which parcels have at least three scans?", schema, [])[0]
    assert first.sql.startswith("SELECT parcel.label FROM parcel JOIN scan ON scan.prcl_no = parcel.prcl_no GROUP BY")
    assert all(other.score < 0.8 * first.score for other in others)


@pytest.mark.parametrize("word", ["unknown", "empty", "null"])
def test_a_word_that_restricts_is_not_left_out(word: str) -> None:
    asked, plain = f"Which writers have an {word} country?", "Which writers have a country?"
    doubted, sure = (synthesis.candidates(question, library(), [])[0][0] for question in (asked, plain))
    assert doubted.score < 0.3 < sure.score


def test_what_cannot_be_built_is_told_and_no_defect() -> None:
    months = "How many books were published in March 2020 or April 2020?"
    assert synthesis.candidates(months, library(), [])[:2] == ([], ["several months or days at once"])
    apart = Schema([library().tables[2], table("shop", {"sid": NUMBER, "town": TEXT}, "sid")])
    named = [ValueMatch((1, 1), "Bonn", 23, 27, True)]
    assert synthesis.candidates("Which books are not in Bonn?", apart, named)[:2] == ([], ["nothing leads there"])


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("患者A的疾病是什么？", "SELECT disease FROM patient WHERE name = 'A'"),
        ("年龄最大的患者是谁？", "SELECT name FROM patient ORDER BY age DESC NULLS LAST LIMIT 1"),
        ("每个科室有多少患者？", "SELECT department, count(*) AS count FROM patient GROUP BY department"),
    ],
)
def test_a_model_of_both_languages_stands_in_for_chinese_comments(question: str, sql: str) -> None:
    columns = {"id": NUMBER, "name": TEXT, "disease": TEXT, "age": NUMBER, "department": TEXT}
    meant = {"患者": (0, -1), "疾病": (0, 2), "年龄": (0, 3), "科室": (0, 4)}

    def near(best: float, other: float) -> NameMatcher:
        return lambda phrases: [[(meant[word], best), ((0, 0), other)] if word in meant else [] for word in phrases]

    named = [ValueMatch((0, 1), "A", 2, 3, True)] if "A" in question else []
    schema = Schema([table("patient", columns, "id")])
    clear, vague = (
        synthesis.candidates(question, schema, named, near(*how))[0][0] for how in ((0.85, 0.4), (0.85, 0.8))
    )
    assert clear.sql == vague.sql == sql
    assert clear.score > max(0.7, vague.score)


def test_rows_are_looked_up_from_a_table_that_is_joined() -> None:
    schema = library()
    query = Query(select=[Expr("agg", (2, 0), "count")], where=[Condition(None, "exists", tables=(0, 1))])
    assert query.all_tables() == [2, 0]
    sql = SqlWriter(schema).sql(query)
    assert sql is not None
    assert "JOIN writer" in sql
    assert sql.endswith("WHERE EXISTS (SELECT 1 FROM wrote AS wrote_2 WHERE wrote_2.wid = writer.wid)")


@given(st.text(max_size=300))
def test_tokens_are_pieces_of_the_question_in_order(question: str) -> None:
    found = tokenizer.tokenize(question, {"患者", "疾病"})
    assert all(0 <= token.start < token.end <= len(question) for token in found)
    assert [token.start for token in found] == sorted(token.start for token in found)


@given(st.text(max_size=120))
def test_every_question_has_candidates_or_reasons(question: str) -> None:
    found, reasons, linked = synthesis.candidates(question, library(), [])
    assert linked.question == question
    assert all(0 < candidate.score <= 1 for candidate in found)
    assert found or reasons or not linked.mentions


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("How many books are there?", "SELECT count(*) FROM book"),
        ("What is the average number of pages?", "SELECT avg(pages) FROM book"),
        ("Which book has the most pages?", "SELECT title FROM book ORDER BY pages DESC NULLS LAST LIMIT 1"),
        ("List the top 3 books by pages", "SELECT title, pages FROM book ORDER BY pages DESC NULLS LAST LIMIT 3"),
        ("Which books have more than 300 pages?", "SELECT title FROM book WHERE pages > 300"),
        (
            "How many writers are there in each country?",
            "SELECT country, count(*) AS count FROM writer GROUP BY country",
        ),
        (
            "How many books did each writer write?",
            "SELECT writer.name, count(DISTINCT book.bid) AS count_bid FROM book JOIN wrote ON wrote.bid = book.bid"
            " JOIN writer ON wrote.wid = writer.wid GROUP BY writer.name, writer.wid",
        ),
        (
            "How many books were published in 2020?",
            "SELECT count(*) FROM book WHERE published >= '2020-01-01' AND published < '2021-01-01'",
        ),
        (
            "Which books were published between May 2020 and the end of 2021?",
            "SELECT title FROM book WHERE published >= '2020-05-01' AND published < '2022-01-01'",
        ),
        (
            "How many books were published in 2020 or later?",
            "SELECT count(*) FROM book WHERE published >= '2020-01-01'",
        ),
        (
            "How many books were published no later than May 5, 2020?",
            "SELECT count(*) FROM book WHERE published < '2020-05-06'",
        ),
        (
            "How many books were published by the end of the first quarter of 2020?",
            "SELECT count(*) FROM book WHERE published < '2020-04-01'",
        ),
        (
            "How many books were published last month?",
            "SELECT count(*) FROM book WHERE date_trunc('month', published)"
            " = date_trunc('month', current_date) - interval '1 month'",
        ),
        ("Which books have 300 pages or more?", "SELECT title FROM book WHERE pages >= 300"),
        ("Which books have 300 or more pages?", "SELECT title FROM book WHERE pages >= 300"),
        (
            "How many writers are there in each country? Skip countries that have nobody.",
            "SELECT country, count(*) AS count FROM writer GROUP BY country",
        ),
        ("List the books, ignoring those without pages", "SELECT title FROM book WHERE pages IS NOT NULL"),
    ],
)
def test_questions_become_queries(question: str, sql: str) -> None:
    found, _, _ = synthesis.candidates(question, library(), [])
    assert found[0].sql == sql


def test_verbs_that_hang_on_a_word_are_words() -> None:
    found = tokenizer.tokenize("who's won what we've made, can't John's wait")
    assert [token.text for token in found] == [
        "who",
        "is",
        "won",
        "what",
        "we",
        "have",
        "made",
        ",",
        "can",
        "not",
        "John's",
        "wait",
    ]


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("Which books, please, do we have on record so far?", []),
        ("Break down the number of books by year, no matter how these sold, and show the count", []),
        ("Which books have just 300 pages but only one writer", []),
        ("Which books are still there", ["still"]),
        ("Which books only sold abroad", ["only", "sold", "abroad"]),
        ("Which books have not been sold yet", ["sold"]),
        ("Nothing but books with 300 pages", ["but"]),
    ],
)
def test_words_that_restrict_are_not_swallowed(question: str, left: list[str]) -> None:
    _, _, linked = synthesis.candidates(question, library(), [])
    assert linked.unlinked == left


def test_a_condition_that_is_waived_goes_no_further_than_its_clause() -> None:
    cut = tokenizer.tokenize("Regardless of status by year, no matter who and how, and sorted")
    assert [token.text for token in fillers.without_waivers(cut)] == [
        "by",
        "year",
        ",",
        "and",
        "how",
        ",",
        "and",
        "sorted",
    ]


def test_values_have_forms_and_places_other_names() -> None:
    assert {word_forms.base_form(word) for word in ("sold", "sells", "selling", "sell")} == {"sel"}
    assert {word_forms.base_form(word) for word in ("cancelled", "canceled", "cancel", "cancels")} == {"cancel"}
    assert word_forms.base_form("successfully") == word_forms.base_form("success") != word_forms.base_form("succession")
    found = {
        (kind, start): held
        for kind, held, start, _ in place_names.find_places("Tell us of Ohio, Canadian and US turkey")
    }
    assert set(found) == {("state", 11), ("country", 17), ("country", 30)}
    assert {"oh", "ohio"} <= found["state", 11]
    assert {"ca", "can", "canada"} <= found["country", 17]


def hotel() -> Schema:
    person = {"first_name": TEXT, "last_name": TEXT}
    return Schema(
        [
            table("hotels", {"hotel_id": NUMBER, "hotel_name": TEXT, "city": TEXT, "stars": NUMBER}, "hotel_id"),
            table(
                "guests",
                {"guest_id": NUMBER, **person, "birth_date": DATE, "country": TEXT, "registered_on": DATE},
                "guest_id",
            ),
            table(
                "rooms",
                {"room_id": NUMBER, "hotel_id": NUMBER, "room_no": TEXT, "kind": TEXT, "rate": NUMBER},
                "room_id",
            ),
            table(
                "bookings",
                {
                    "booking_id": NUMBER,
                    "guest_id": NUMBER,
                    "room_id": NUMBER,
                    "arrival": DATE,
                    "nights": NUMBER,
                    "price": NUMBER,
                    "status": TEXT,
                },
                "booking_id",
            ),
            table("invoices", {"invoice_id": NUMBER, "supplier_name": TEXT, "amount": NUMBER}, "invoice_id"),
            table("workers", {"worker_id": NUMBER, **person, "hotel_id": NUMBER, "salary": NUMBER}, "worker_id"),
        ]
    )


VALUES = {"cancelled": (3, 6), "confirmed": (3, 6), "Spain": (1, 4)}
GUESTS = "SELECT guests.first_name, guests.last_name"
BOOKED = "FROM guests JOIN bookings ON bookings.guest_id = guests.guest_id"
BOOKINGS = "FROM bookings JOIN guests ON bookings.guest_id = guests.guest_id"
EACH_GUEST = "GROUP BY guests.first_name, guests.last_name, guests.guest_id"
ROOMS = "FROM hotels JOIN rooms ON rooms.hotel_id = hotels.hotel_id"
EACH_HOTEL = "GROUP BY hotels.hotel_name, hotels.hotel_id"


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        # What is ranked is shown, with what else is asked of it.
        (
            "List the five best paid workers, highest salary first",
            "SELECT first_name, last_name, salary FROM workers ORDER BY salary DESC NULLS LAST LIMIT 5",
        ),
        (
            "Who are the three youngest guests and when were they born?",
            "SELECT first_name, last_name, birth_date FROM guests ORDER BY birth_date DESC NULLS LAST LIMIT 3",
        ),
        (
            "Which guests have never made a booking, and from which country are they?",
            "SELECT first_name, last_name, country FROM guests WHERE NOT EXISTS"
            " (SELECT 1 FROM bookings WHERE bookings.guest_id = guests.guest_id)",
        ),
        (
            "Show the id and the price of the biggest cancelled booking.",
            "SELECT booking_id, price FROM bookings WHERE status = 'cancelled' ORDER BY price DESC NULLS LAST LIMIT 1",
        ),
        (
            "Who has the highest salary?",
            "SELECT first_name, last_name FROM workers ORDER BY salary DESC NULLS LAST LIMIT 1",
        ),
        (
            "Who made the most bookings overall?",
            f"{GUESTS} {BOOKINGS} {EACH_GUEST} ORDER BY count(*) DESC NULLS LAST LIMIT 1",
        ),
        ("When was the last booking?", "SELECT arrival FROM bookings ORDER BY arrival DESC NULLS LAST LIMIT 1"),
        (
            "What is the highest salary in each hotel, and who earns it?",
            "SELECT DISTINCT ON (hotels.hotel_name) hotels.hotel_name, workers.first_name, workers.last_name,"
            " workers.salary FROM workers JOIN hotels ON workers.hotel_id = hotels.hotel_id"
            " ORDER BY hotels.hotel_name, workers.salary DESC NULLS LAST",
        ),
        (
            "Whose booking was the most expensive?",
            f"{GUESTS} {BOOKINGS} GROUP BY guests.first_name, guests.last_name"
            " ORDER BY max(bookings.price) DESC NULLS LAST LIMIT 1",
        ),
        (
            "Show the three most recent bookings with guest name and price",
            "SELECT bookings.booking_id, guests.first_name, guests.last_name, bookings.price"
            f" {BOOKED} ORDER BY bookings.arrival DESC NULLS LAST LIMIT 3",
        ),
        # All rows in an order.
        ("List all rooms with their rate, cheapest first.", "SELECT room_no, rate FROM rooms ORDER BY rate"),
        (
            "Give me the guests from Spain, most recently registered first.",
            "SELECT first_name, last_name FROM guests WHERE country = 'Spain' ORDER BY registered_on DESC NULLS LAST",
        ),
        (
            "List the hotels with most stars first and alphabetically by name",
            "SELECT hotel_name FROM hotels ORDER BY stars DESC NULLS LAST, hotel_name",
        ),
        ("List the rates of all rooms, starting with the lowest", "SELECT rate FROM rooms ORDER BY rate"),
        (
            "List our guests with their birth date, from the youngest to the oldest",
            "SELECT first_name, last_name, birth_date FROM guests ORDER BY birth_date DESC NULLS LAST",
        ),
        (
            "Show the bookings by arrival, latest first",
            "SELECT booking_id FROM bookings ORDER BY arrival DESC NULLS LAST",
        ),
        (
            "List the hotels in descending order of stars",
            "SELECT hotel_name FROM hotels ORDER BY stars DESC NULLS LAST",
        ),
        (
            "Sort the hotels by the average rate of their rooms, cheapest first.",
            f"SELECT hotels.hotel_name, avg(rooms.rate) AS avg_rate {ROOMS} {EACH_HOTEL} ORDER BY avg(rooms.rate)",
        ),
        (
            "Rank the hotels by number of rooms",
            f"SELECT hotels.hotel_name, count(*) AS count {ROOMS} {EACH_HOTEL} ORDER BY count(*) DESC NULLS LAST",
        ),
        # How many come first.
        (
            "Which three hotels have the most rooms and how many do they have?",
            f"SELECT hotels.hotel_name, count(*) AS count {ROOMS} {EACH_HOTEL}"
            " ORDER BY count(*) DESC NULLS LAST LIMIT 3",
        ),
        (
            "Who are the guests with the most bookings? Show the top 3.",
            f"{GUESTS}, count(*) AS count {BOOKED} {EACH_GUEST} ORDER BY count(*) DESC NULLS LAST LIMIT 3",
        ),
        (
            "Who are our five best guests, judged by the total price of their bookings?",
            f"{GUESTS}, sum(bookings.price) AS sum_price {BOOKED} {EACH_GUEST}"
            " ORDER BY sum(bookings.price) DESC NULLS LAST LIMIT 5",
        ),
        (
            "Top 5 guests with their number of bookings",
            f"{GUESTS}, count(*) AS count {BOOKINGS} {EACH_GUEST} ORDER BY count(*) DESC NULLS LAST LIMIT 5",
        ),
        (
            "What is the second most expensive room?",
            "SELECT room_no FROM rooms ORDER BY rate DESC NULLS LAST LIMIT 1 OFFSET 1",
        ),
        # What is counted, and in what groups.
        (
            "What is the average number of nights per booking for each kind of room?",
            "SELECT rooms.kind, avg(bookings.nights) AS avg_nights FROM rooms"
            " JOIN bookings ON bookings.room_id = rooms.room_id GROUP BY rooms.kind",
        ),
        ("Who has made more than 3 bookings?", f"{GUESTS} {BOOKINGS} {EACH_GUEST} HAVING count(*) > 3"),
        (
            "Which guests have at least one cancelled booking?",
            f"{GUESTS} {BOOKED} WHERE bookings.status = 'cancelled' {EACH_GUEST} HAVING count(*) >= 1",
        ),
        (
            "Which guests have made more than one booking and how many did each of them make?",
            f"{GUESTS}, count(*) AS count {BOOKED} {EACH_GUEST} HAVING count(*) > 1",
        ),
        (
            "Number of cancelled bookings per guest",
            f"{GUESTS}, count(*) AS count {BOOKINGS} WHERE bookings.status = 'cancelled' {EACH_GUEST}",
        ),
        (
            "What is the total value of confirmed bookings?",
            "SELECT sum(price) FROM bookings WHERE status = 'confirmed'",
        ),
        (
            "Show the suppliers with invoices over 500 in total",
            "SELECT supplier_name FROM invoices GROUP BY supplier_name HAVING sum(amount) > 500",
        ),
        (
            "How many bookings are there in each status, and what do they add up to in money?",
            "SELECT status, count(*) AS count, sum(price) AS sum_price FROM bookings GROUP BY status",
        ),
        (
            "Which country do most guests come from?",
            "SELECT country FROM guests GROUP BY country ORDER BY count(*) DESC NULLS LAST LIMIT 1",
        ),
        (
            "Which month had the most bookings?",
            "SELECT date_trunc('month', arrival)::date AS month FROM bookings"
            " GROUP BY date_trunc('month', arrival)::date ORDER BY count(*) DESC NULLS LAST LIMIT 1",
        ),
        (
            "How many bookings are there per year and status?",
            "SELECT status, extract(year FROM arrival)::int AS year, count(*) AS count FROM bookings"
            " GROUP BY status, extract(year FROM arrival)::int",
        ),
        (
            "How many guests and how many bookings are there?",
            "SELECT (SELECT count(*) FROM guests), (SELECT count(*) FROM bookings)",
        ),
        (
            "Show the name and city of every hotel, sorted by stars from highest to lowest",
            "SELECT hotel_name, city FROM hotels ORDER BY stars DESC NULLS LAST",
        ),
    ],
)
def test_rows_show_what_is_asked_in_the_order_that_is_asked(question: str, sql: str) -> None:
    values = [
        ValueMatch(ref, word, start, start + len(word), True)
        for word, ref in VALUES.items()
        if (start := question.find(word)) >= 0
    ]
    found, reasons, _ = synthesis.candidates(question, hotel(), values)
    assert found, reasons
    assert found[0].sql == sql
    assert found[0].score > 0.7


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Which room is the cheapest and which is the most expensive?", "the first and the last at once"),
        ("List the guests, best ones first", "by what the rows are ordered"),
    ],
)
def test_an_order_that_cannot_be_is_told(question: str, reason: str) -> None:
    assert synthesis.candidates(question, hotel(), [])[:2] == ([], [reason])


def test_keys_are_joined_as_declared_or_as_names_tell() -> None:
    schema = library()
    edges, cost = schema.join_tree([0, 2]) or ([], 0.0)
    assert [(schema.tables[edge.source].name, schema.tables[edge.target].name) for edge in edges] == [
        ("wrote", "writer"),
        ("wrote", "book"),
    ]
    assert cost == pytest.approx(2.2)
    assert schema.fans_out(edges, 0)
    apart = Schema([table("a", {"x": NUMBER}), table("b", {"y": NUMBER})])
    assert apart.join_tree([0, 1]) is None
    joined = Schema([table("a", {"x": NUMBER}), table("b", {"y": NUMBER})], [Edge(0, 1, ((0, 0),), 1.0, True)])
    assert joined.join_tree([0, 1]) is not None
    assert not joined.fans_out(joined.edges, 0)
    assert joined.fans_out(joined.edges, 1)


def clinic() -> Schema:
    """A town has doctors and patients; who was with whom, a visit says."""
    town, doctor, patient, room, visit = (
        table("town", {"town_id": NUMBER, "name": TEXT}, "town_id"),
        table("doctor", {"did": NUMBER, "name": TEXT, "town_id": NUMBER}, "did"),
        table("patient", {"id": NUMBER, "name": TEXT, "town_id": NUMBER}, "id"),
        table("room", {"id": NUMBER, "floor": NUMBER}, "id"),
        table("visit", {"id": NUMBER, "doctor_id": NUMBER, "patient_id": NUMBER, "room_id": NUMBER}, "id"),
    )
    return Schema([town, doctor, patient, room, visit], [Edge(1, 0, ((2, 0),), 1.0, True)])


def test_all_tables_are_joined_at_once_by_what_they_have_to_do_with_each_other() -> None:
    schema = clinic()
    joined = schema.join_tree([1, 2])
    assert joined is not None
    # Who saw whom, not who lives in one town: though that is declared.
    assert {(edge.source, edge.target) for edge in joined[0]} == {(4, 1), (4, 2)}
    joined = schema.join_tree([2, 3, 1])
    assert joined is not None
    assert {(edge.source, edge.target) for edge in joined[0]} == {(4, 1), (4, 2), (4, 3)}
    assert schema.join_tree(list(range(5)) * 2) is not None
    assert Schema([table(f"t{n}", {"id": NUMBER}) for n in range(9)]).join_tree(range(9)) is None


def test_what_is_unique_in_a_table_of_keys_is_so_by_chance() -> None:
    link = table("treats", {"did": NUMBER, "pid": NUMBER})
    link.columns[0].unique = True
    schema = Schema([table("doctor", {"did": NUMBER, "name": TEXT}, "did"), link])
    assert [(edge.source, edge.target, edge.many_to_one) for edge in schema.edges] == [(1, 0, True)]


@pytest.mark.parametrize(
    ("question", "column", "doubtful"),
    [
        ("How many parcels were sent from Ulm?", "origin_office_id", False),
        ("How many parcels have Ulm as their destination?", "dest_office_id", False),
        ("How many parcels concern Ulm?", "origin_office_id", True),
    ],
)
def test_of_several_keys_between_two_tables_the_words_choose(question: str, column: str, doubtful: bool) -> None:
    parcel = {"id": NUMBER, "origin_office_id": NUMBER, "dest_office_id": NUMBER}
    schema = Schema([table("parcel", parcel, "id"), table("office", {"id": NUMBER, "town": TEXT}, "id")])
    start = question.index("Ulm")
    found = synthesis.candidates(question, schema, [ValueMatch((1, 1), "Ulm", start, start + 3, True)])[0]
    assert f"parcel.{column} = office.id" in found[0].sql
    assert (found[0].score < 0.6) == doubtful


def nursery() -> Schema:
    columns = {
        "id": NUMBER,
        "gardener_id": NUMBER,
        "species": TEXT,
        "planted_on": DATE,
        "watered": DATE,
        "height": NUMBER,
    }
    gardener, plant = table("gardener", {"id": NUMBER, "name": TEXT, "town": TEXT}, "id"), table("plant", columns, "id")
    plant.columns[3].nullable = False
    return Schema([gardener, plant])


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("Which gardeners have no plants?", "NOT EXISTS (SELECT 1 FROM plant WHERE gardener_id = gardener.id)"),
        ("Which gardeners haven't got any plants?", "gardener_id = gardener.id)"),
        ("Which gardeners in Bonn have no plants at all?", "town = 'Bonn' AND NOT EXISTS (SELECT 1 FROM plant"),
        (
            "Which gardeners have no plants of the species Ivy?",
            "NOT EXISTS (SELECT 1 FROM plant WHERE gardener_id = gardener.id AND species = 'Ivy')",
        ),
        ("Which gardeners have no plants since 2020?", "gardener_id = gardener.id AND planted_on >= '2020-01-01')"),
        ("Which gardeners live neither in Bonn nor in Ulm?", "town NOT IN ('Bonn', 'Ulm')"),
        ("Which gardeners live in a town other than Ulm?", "town <> 'Ulm'"),
        ("List all gardeners except those in Ulm", "town <> 'Ulm'"),
        ("Which plants have not been watered?", "watered IS NULL"),
    ],
)
def test_what_is_denied_is_not_there(question: str, condition: str) -> None:
    refs = {"Bonn": (0, 2), "Ulm": (0, 2), "Ivy": (1, 2)}
    starts = ((text, ref, question.find(text)) for text, ref in refs.items())
    named = [ValueMatch(ref, text, start, start + len(text), True) for text, ref, start in starts if start >= 0]
    found, _, _ = synthesis.candidates(question, nursery(), named)
    assert condition in found[0].sql.replace("plant.", "")
    assert found[0].score > 0.65
    assert not any("planted_on IS NULL" in each.sql for each in found)


_OF_GROUP = "SELECT gardener.name, 100.0 * count(*) FILTER (WHERE plant.species = 'Ivy') / nullif(count(*), 0) AS"


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        (
            "What percentage of our plants are of the species Ivy?",
            "SELECT 100.0 * count(*) FILTER (WHERE species = 'Ivy') / nullif(count(*), 0) AS ratio FROM plant",
        ),
        (
            "For each gardener, what percent of the plants are Ivy? Show the gardener's name and the percentage.",
            _OF_GROUP,
        ),
        (
            "What share of our plants does each species account for?",
            "SELECT species, 1.0 * count(*) / nullif(sum(count(*)) OVER (), 0) AS ratio FROM plant GROUP BY species",
        ),
        (
            "Per species, what fraction of the total height is it?",
            "SELECT species, 1.0 * sum(height) / nullif(sum(sum(height)) OVER (), 0) AS ratio FROM plant GROUP BY",
        ),
        (
            "What fraction of the plants that were planted in 2020 are Ivy?",
            "SELECT 1.0 * count(*) FILTER (WHERE species = 'Ivy') / nullif(count(*), 0) AS ratio FROM plant "
            "WHERE planted_on >= '2020-01-01' AND planted_on < '2021-01-01'",
        ),
        (
            "What fraction of the gardeners have no plants?",
            "SELECT 1.0 * count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM plant WHERE plant.gardener_id = gardener.id)"
            ") / nullif(count(*), 0) AS ratio FROM gardener",
        ),
        (
            "What percentage of gardeners have an Ivy?",
            "SELECT 100.0 * count(*) FILTER (WHERE EXISTS (SELECT 1 FROM plant WHERE plant.gardener_id = gardener.id"
            " AND plant.species = 'Ivy')) / nullif(count(*), 0) AS ratio FROM gardener",
        ),
        (
            "What percentage of the gardeners have plants?",
            "SELECT 100.0 * count(*) FILTER (WHERE EXISTS (SELECT 1 FROM plant WHERE plant.gardener_id = gardener.id))"
            " / nullif(count(*), 0) AS ratio FROM gardener",
        ),
        (
            "What is the ratio of the number of Ivy plants to the number of plants by Moss?",
            "SELECT 1.0 * count(*) FILTER (WHERE species = 'Ivy') / nullif(count(*) FILTER (WHERE species = 'Moss'), 0)"
            " AS ratio FROM plant",
        ),
    ],
)
def test_shares_are_of_the_noun_that_is_said(question: str, sql: str) -> None:
    starts = ((text, question.find(text)) for text in ("Ivy", "Moss"))
    named = [ValueMatch((1, 2), text, start, start + len(text), True) for text, start in starts if start >= 0]
    found, _, _ = synthesis.candidates(question, nursery(), named)
    assert found[0].sql.startswith(sql)
    assert found[0].score > 0.65


def test_what_says_little_is_little_doubt() -> None:
    def near(phrases: Sequence[str]) -> list[list[tuple[tuple[int, int], float]]]:
        return [[((0, -1), 0.5)] for _ in phrases]

    questions = {
        "How many plants has our company?": 1,
        "How many plants came in?": 1,
        "How many plants were pruned?": 0.62,
    }
    for question, likely in questions.items():
        found = synthesis.candidates(question, nursery(), [], near)[0][0]
        assert found.sql == "SELECT count(*) FROM plant"
        assert found.score == pytest.approx(likely, abs=0.05)


def _best(question: str) -> synthesis.ParsedQuery:
    spans = ((text, question.find(text)) for text in ("Ivy", "Moss", "Fern"))
    named = [ValueMatch((1, 2), text, start, start + len(text), True) for text, start in spans if start >= 0]
    return synthesis.candidates(question, nursery(), named)[0][0]


def test_a_condition_on_what_tells_the_sides_of_a_ratio_apart_is_doubted() -> None:
    asked = "For each gardener{}, what is the ratio of Ivy plants to Moss plants?"
    clear, doubtful = (_best(asked.format(which)) for which in ("", " with Fern"))
    assert "WHERE plant.species = 'Fern'" in doubtful.sql
    assert doubtful.score < 0.6 < clear.score


def test_rows_that_belong_to_a_thing_say_what_was_done_with_it() -> None:
    def near(phrases: Sequence[str]) -> list[list[tuple[tuple[int, int], float]]]:
        return [[((1, -1), 0.65)] if phrase == "pruned" else [] for phrase in phrases]

    found = synthesis.candidates("Which gardeners have pruned?", nursery(), [], near)[0]
    assert "JOIN plant" in found[0].sql
