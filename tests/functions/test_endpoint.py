"""Endpoints from SQL: rows that fail, cancelled calls, sessions that share one, and a real server of OpenAI's API."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from database import value, write_key
from faulty_endpoint import FaultyEndpoint, Reply, Request, chat, echo
from psycopg import errors

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 30}, "colour": {"enum": ["red", "green"]}},
    "required": ["name", "colour"],
    "additionalProperties": False,
}
FAILED = Reply(b"the text is too long", 400)
Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def faulty() -> Iterator[FaultyEndpoint]:
    with FaultyEndpoint().running() as running:
        yield running


@pytest.fixture(params=["shared", "backend"])
def db(db: psycopg.Connection, faulty: FaultyEndpoint, request: pytest.FixtureRequest) -> psycopg.Connection:
    """A database with the models `big`, which writes, and `vectors`, in each of the two engines."""
    db.execute(f"SET llm.engine = '{request.param}'")
    register(db, "big", "generation", faulty.source())
    register(db, "vectors", "embedding", faulty.source(), batch_size=4)
    return db


def register(db: psycopg.Connection, name: str, task: str, source: str, **options: Any) -> None:
    db.execute("SELECT llm_register_model(%s, %s, %s, options => %s)", (name, task, source, json.dumps(options)))


def bad_fails(request: Request) -> Reply:
    texts = request.body.get("input") or [request.prompt]
    return FAILED if any("bad" in text for text in texts) else echo(request)


def write(db: psycopg.Connection, prompts: list[str | None], model: str = "big") -> list[Any]:
    return db.execute("SELECT * FROM llm_generate_batch(%s, %s)", (prompts, model)).fetchall()


def told(db: psycopg.Connection) -> list[str | None]:
    """The warnings from now on."""
    warnings: list[str | None] = []
    db.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    return warnings


def test_one_bad_row_loses_no_other(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    faulty.behaviour = bad_fails
    prompts: list[str | None] = [f"prompt {number}" for number in range(200)]
    prompts[7], prompts[20], prompts[150] = "bad", None, "bad too"
    with pytest.raises(errors.DataException) as caught:
        write(db, prompts)
    assert "llm.on_error" in str(caught.value.diag.message_hint)
    message = caught.value.diag.message_primary
    assert message is not None
    assert message.startswith("pg_llm: row 8: the endpoint http://127.0.0.1:")
    assert message.endswith("HTTP 400: the text is too long (2 of 200 rows failed)")
    asked = faulty.prompts()
    assert sum(asked.values()) == 199
    # Another call pays only for what failed.
    faulty.behaviour = echo
    rows = write(db, prompts)
    assert rows == [(place, prompt and prompt.upper()) for place, prompt in enumerate(prompts, 1)]
    assert faulty.prompts() - asked == {"bad": 1, "bad too": 1}


def test_a_bad_row_is_null_where_the_setting_says_so(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    faulty.behaviour = bad_fails
    db.execute("SET llm.on_error = 'null'")
    warnings = told(db)
    assert write(db, ["a", "bad", None, "c"]) == [(1, "A"), (2, None), (3, None), (4, "C")]
    assert value(db, "SELECT llm_generate('bad again', 'big')") is None
    vectors = db.execute("SELECT embedding IS NULL FROM llm_embed_batch('{a,b,bad,NULL,c,d,e}', 'vectors')").fetchall()
    assert vectors == [(False,), (False,), (True,), (True,), (False,), (False,), (False,)]
    assert len(warnings) == 3
    assert str(warnings[0]).startswith("row 2: the endpoint ")
    assert str(warnings[1]).startswith("the endpoint ")
    assert str(warnings[2]).startswith("row 3: the endpoint ")
    db.execute("SET llm.on_error = 'perhaps'")
    with pytest.raises(errors.InvalidParameterValue, match="llm.on_error"):
        write(db, ["bad"])


def test_an_endpoint_that_is_gone_is_never_null(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    db.execute("SET llm.on_error = 'null'")
    for reply, says in ((Reply(b"sk-secret is wrong", 401), "HTTP 401"), (Reply(b"", 302), "a redirect")):
        faulty.behaviour = lambda request, reply=reply: reply  # type: ignore[misc]
        with pytest.raises(errors.IoError, match=says) as caught:
            write(db, [f"{says} {number}" for number in range(20)])
        assert "secret" not in str(caught.value)


def test_what_was_answered_before_it_went_is_kept(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    register(db, "one", "generation", faulty.source(), concurrency=1)
    prompts: list[str | None] = [f"p{number}" for number in range(20)]
    faulty.behaviour = lambda request: echo(request) if len(faulty.requests) <= first + 10 else Reply(b"", 404)
    first = len(faulty.requests)
    with pytest.raises(errors.IoError, match="HTTP 404"):
        write(db, prompts, "one")
    faulty.behaviour = echo
    assert [answer for _, answer in write(db, prompts, "one")] == [str(prompt).upper() for prompt in prompts]
    # The one that failed, and none that was answered, is asked for again.
    assert sorted(faulty.prompts().values()) == [1] * 19 + [2]


def test_rows_are_asked_side_by_side(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    faulty.behaviour = lambda request: Reply(chat(request.prompt), delay=0.1)
    prompts: list[str | None] = [f"prompt {number}" for number in range(200)]
    begun = time.monotonic()
    assert write(db, prompts) == list(enumerate(prompts, 1))
    print(f"200 rows of 0.1 s: {time.monotonic() - begun:.2f} s")
    assert faulty.most_at_once == 16
    assert faulty.prompts() == dict.fromkeys(prompts, 1)


FAULTS = (
    Reply(b"slow down", 429, {"Retry-After": "0"}),
    Reply(b"oops", 500),
    Reply(b"<html>502 Bad Gateway", 502, {"Content-Type": "text/html"}),
    Reply(chat("half of this comes"), cut=30),
    Reply(chat("nothing of this"), cut=0),
    Reply(chat("dripping"), drip=0.3),
    Reply(hangs=True),
)


def test_no_row_is_lost_and_none_doubled(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    """Every fault there is, each met by some rows when first sent; one answer has 2 MB, one text is refused."""
    register(db, "shaky", "generation", faulty.source(), timeout=2)
    large = "x" * (2 << 20)
    faults = {f"prompt {number}": FAULTS[number % 31] for number in range(200) if number % 31 < len(FAULTS)}

    def behaviour(request: Request) -> Reply:
        if request.prompt == "large":
            return Reply(chat(large))
        if request.prompt in faults and request.times == 1:
            return faults[request.prompt]
        return bad_fails(request)

    faulty.behaviour = behaviour
    db.execute("SET llm.on_error = 'null'")
    prompts: list[str | None] = [f"prompt {number}" for number in range(200)]
    prompts += ["large", "bad", None, "prompt 3"]
    rows = write(db, prompts, "shaky")
    wanted = {"large": large, "bad": None}
    assert rows == [(n, wanted.get(text, text.upper()) if text else None) for n, text in enumerate(prompts, 1)]
    assert faulty.prompts() == {text: 1 + (text in faults) for text in prompts if text}


def test_no_vector_is_lost_and_none_doubled(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    short = Reply({"data": [{"index": 0, "embedding": [1.0, 2.0, 3.0]}]})

    def behaviour(request: Request) -> Reply:
        many = len(request.body["input"]) > 1
        return (
            (short if many and "x" in request.body["input"] else FAULTS[1])
            if request.times == 1 and many
            else echo(request)
        )

    faulty.behaviour = behaviour
    texts = ["x" * length for length in range(1, 41)]
    rows = db.execute("SELECT ordinality, embedding::text FROM llm_embed_batch(%s, 'vectors')", (texts,)).fetchall()
    assert [place for place, _ in rows] == list(range(1, 41))
    for place, vector in rows:
        first, second, third = json.loads(vector)
        assert (first / second, third) == (pytest.approx(place, rel=1e-3), 0)


def test_a_cancelled_call_frees_its_request(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    register(db, "one", "generation", faulty.source(), concurrency=1)
    faulty.behaviour = lambda request: Reply(hangs=True) if "hang" in request.prompt else echo(request)
    db.execute("SET statement_timeout = '1s'")
    with pytest.raises(errors.QueryCanceled):
        write(db, ["hang", "hang on"], "one")
    db.execute("RESET statement_timeout")
    assert write(db, ["a"], "one") == [(1, "A")]
    until = time.monotonic() + 20
    while faulty.left < 1 and time.monotonic() < until:
        time.sleep(0.05)
    assert faulty.left == 1


def test_a_label_that_hangs_holds_up_nobody(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    """The vectors of labels are computed before any text is read."""

    def behaviour(request: Request) -> Reply:
        return Reply(hangs=True) if any("hang" in text for text in request.body.get("input", ())) else echo(request)

    faulty.behaviour = behaviour
    db.execute("SET statement_timeout = '500ms'")
    for number in range(6):
        with pytest.raises(errors.QueryCanceled):
            db.execute("SELECT llm_classify('x', ARRAY['hang ' || %s, 'b'], 'vectors')", (number,))
    db.execute("SET statement_timeout = '20s'")
    assert write(db, ["a"]) == [(1, "A")]


def test_classifying_by_an_endpoint(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    def behaviour(request: Request) -> Reply:
        if "logprobs" not in request.body:
            return echo(request)
        names = ["compl", " praise"] if "broke" in request.prompt else ["praise", "complaint"]
        top = [{"token": name, "logprob": value} for name, value in zip(names, (-0.1, -2.4), strict=True)]
        return Reply(chat(names[0], logprobs={"content": [{**top[0], "top_logprobs": top}]}))

    faulty.behaviour = behaviour
    rows = db.execute("SELECT label FROM llm_classify_batch('{I love it,It broke}', '{praise,complaint}', 'big')")
    assert rows.fetchall() == [("praise",), ("complaint",)]

    faulty.behaviour = lambda request: FAILED if "bad" in request.prompt else behaviour(request)
    call = "SELECT label FROM llm_classify_batch('{I like it,bad,NULL,It broke again}', '{praise,complaint}', 'big')"
    with pytest.raises(errors.DataException, match="row 2: the endpoint .* HTTP 400"):
        db.execute(call)
    db.execute("SET llm.on_error = 'null'")
    assert db.execute(call).fetchall() == [("praise",), (None,), (None,), ("complaint",)]


def test_what_it_costs_is_counted(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    register(db, "priced", "generation", faulty.source(), price_in=1, price_out=10)
    write(db, ["a", "b", "a"], "priced")
    used = "SELECT tokens_in, tokens_out, money FROM llm_usage WHERE model = 'priced'"
    assert db.execute(used).fetchall() == [(12, 8, pytest.approx((12 + 80) / 1e6))]


def test_ranking_by_an_endpoint(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    register(db, "ranker", "ranking", faulty.source())
    rows = db.execute("SELECT score FROM llm_rank('q', '{four,NULL,a}', 'ranker')").fetchall()
    assert [score and round(score, 3) for (score,) in rows] == [0.2, None, 0.5]


@pytest.mark.parametrize("setting", ["error", "null"])
def test_a_column_has_the_error_of_its_row_whatever_the_setting(
    db: psycopg.Connection, faulty: FaultyEndpoint, setting: str
) -> None:
    if value(db, "SHOW llm.engine") == "backend":
        pytest.skip("one engine is enough")
    faulty.behaviour = bad_fails
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a'), (2, 'bad')")
    db.execute(f"SET llm.on_error = '{setting}'")
    db.execute("CALL llm_column('note', 'answer', $$llm_generate(body, 'big')$$)")
    rows = db.execute("SELECT id, value, error ~ 'HTTP 400: the text is too long' FROM note_answer ORDER BY id")
    assert rows.fetchall() == [(1, "A", None), (2, None, True)]
    assert value(db, "SHOW llm.on_error") == setting


# Several servers of one model.


@pytest.fixture
def others() -> Iterator[list[FaultyEndpoint]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(FaultyEndpoint().running()) for _ in range(2)]


def test_no_row_is_lost_when_servers_of_a_model_die(db: psycopg.Connection, others: list[FaultyEndpoint]) -> None:
    """One is killed, one hangs and one gives 500s, each after its fifth answer; one works on."""
    hanging, working = others
    with FaultyEndpoint().running() as failing, contextlib.ExitStack() as until_killed:
        killed = until_killed.enter_context(FaultyEndpoint().running())
        fleet = [hanging, killed, failing, working]
        for server in fleet:
            server.behaviour = lambda request: Reply(chat(request.prompt.upper()), delay=0.02)
        register(
            db,
            "fleet",
            "generation",
            fleet[0].source(),
            replicas=[server.source() for server in fleet[1:]],
            timeout=2,
            concurrency=4,
            price_in=1,
        )
        for server, reply in ((hanging, Reply(hangs=True)), (failing, FAULTS[1])):
            server.behaviour = lambda request, server=server, reply=reply: (  # type: ignore[misc]
                echo(request) if len(server.requests) <= 5 else reply
            )

        def kill() -> None:
            while len(killed.requests) < 5:
                time.sleep(0.005)
            until_killed.close()

        killer = threading.Thread(target=kill)
        killer.start()
        prompts: list[str | None] = [*(f"prompt {number}" for number in range(300)), None]
        rows = write(db, prompts, "fleet")
        killer.join()
    assert rows == [(place, text and text.upper()) for place, text in enumerate(prompts, 1)]
    assert len(working.requests) > 100
    # Of a text that was asked twice the answer that came is what counts.
    used = "SELECT texts, tokens_in, money FROM llm_usage WHERE model = 'fleet'"
    assert db.execute(used).fetchall() == [(300, 1800, pytest.approx(1800 / 1e6))]
    shown = "SELECT source, jsonb_array_length(options -> 'replicas'), task FROM llm_models WHERE name = 'fleet'"
    assert db.execute(shown).fetchall() == [(hanging.source(), 3, "generation")]


def test_vectors_of_several_servers_are_of_one_model(
    db: psycopg.Connection, faulty: FaultyEndpoint, others: list[FaultyEndpoint]
) -> None:
    texts = ["x" * length for length in range(1, 41)]
    register(db, "many", "embedding", faulty.source(), replicas=[each.source() for each in others], batch_size=2)
    call = "SELECT embedding::text FROM llm_embed_batch(%s, %s)"
    assert db.execute(call, (texts, "many")).fetchall() == db.execute(call, (texts, "vectors")).fetchall()
    assert all(len(server.requests) > 1 for server in others)
    # The servers of a model that is registered change; what it is does not.
    before = [len(server.requests) for server in (faulty, *others)]
    replaced = "UPDATE llm.model SET options = options || %s WHERE name = 'many' RETURNING digest"
    assert (
        db.execute(replaced, (json.dumps({"replicas": [others[1].source()]}),)).fetchall()
        == db.execute("SELECT digest FROM llm.model WHERE name = 'vectors'").fetchall()
    )
    db.execute(call, ([f"other {text}" for text in texts], "many"))
    after = [len(server.requests) for server in (faulty, *others)]
    assert [now > then for then, now in zip(before, after, strict=True)] == [True, False, True]
    others[0].behaviour = lambda request: Reply({"data": [{"index": 0, "embedding": [0.0, 0.0, 1.0]}]})
    with pytest.raises(errors.IoError, match="its vectors are not those of the other servers") as caught:
        register(db, "mixed", "embedding", faulty.source(), replicas=[each.source() for each in others])
    assert "same model" in str(caught.value.diag.message_hint)
    assert value(db, "SELECT count(*) FROM llm_models WHERE name = 'mixed'") == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"replicas": ["http://10.0.0.1/v1"]}, "in the clear"),
        ({"replicas": ["http://ann:sesame@127.0.0.1/v1"]}, "holds no password"),
        ({"replicas": ["https://host/v1", "https://host/v1#big"]}, "given twice"),
        ({"replicas": [{"source": "https://host/v1", "api_key_file": "../../postgresql.conf"}]}, "not the name of a"),
        ({"replicas": [{"source": "https://host/v1", "key": "sesame"}]}, 'invalid value for model option "replicas"'),
        ({"replicas": []}, 'invalid value for model option "replicas"'),
        ({"replicas": "https://host/v1"}, 'invalid value for model option "replicas"'),
    ],
)
def test_replicas_that_are_refused(
    db: psycopg.Connection, faulty: FaultyEndpoint, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says) as caught:
        register(db, "never", "generation", faulty.source(), **options)
    assert caught.value.diag.message_hint
    assert "sesame" not in str(caught.value.diag.message_primary) or "invalid value" in says
    assert not faulty.prompts()


def test_only_who_may_register_names_replicas(db: psycopg.Connection, faulty: FaultyEndpoint, connect: Connect) -> None:
    db.execute("CREATE ROLE nobody_much")
    db.execute("SET ROLE nobody_much")
    with pytest.raises(errors.InsufficientPrivilege):
        register(db, "mine", "generation", faulty.source(), replicas=["http://127.0.0.1:1/v1"])
    with pytest.raises(errors.InsufficientPrivilege):
        db.execute("UPDATE llm.model SET options = '{}' WHERE name = 'big'")
    db.execute("RESET ROLE")
    db.execute("DROP ROLE nobody_much")


# Sessions that share an endpoint.


def test_sessions_share_the_requests_of_an_endpoint(
    db: psycopg.Connection, faulty: FaultyEndpoint, connect: Connect
) -> None:
    if value(db, "SHOW llm.engine") == "backend":
        pytest.skip("each backend has its own")
    faulty.behaviour = lambda request: Reply(chat(request.prompt), delay=0.05)
    answers: dict[int, list[Any]] = {}

    def session(number: int) -> None:
        answers[number] = write(connect(), [f"{number} {place}" for place in range(60)])

    threads = [threading.Thread(target=session, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answers[number] == [(n + 1, f"{number} {n}") for n in range(60)] for number in range(3))
    assert faulty.most_at_once == 16
    # Nobody waits until all of another session's rows are done.
    firsts = [min(place for place, r in enumerate(faulty.requests) if r.prompt.startswith(f"{n} ")) for n in range(3)]
    assert max(firsts) < 120


# A real server.


@pytest.fixture
def llama(db: psycopg.Connection, llama_endpoint: str) -> psycopg.Connection:
    register(db, "smollm2", "generation", llama_endpoint)
    register(db, "smollm2-vectors", "embedding", llama_endpoint)
    return db


def test_a_real_server_writes(llama: psycopg.Connection) -> None:
    prompts: list[str | None] = ["Say hello.", None, "Name three colours.", "Say hello."]
    rows = llama.execute("SELECT * FROM llm_generate_batch(%s, 'smollm2', max_tokens => 8)", (prompts,)).fetchall()
    assert [place for place, _ in rows] == [1, 2, 3, 4]
    assert rows[1][1] is None
    assert all(isinstance(rows[n][1], str) and rows[n][1] for n in (0, 2, 3))
    assert rows[0][1] == rows[3][1]


def test_a_real_server_writes_json(llama: psycopg.Connection) -> None:
    call = "SELECT answer FROM llm_generate_json_batch(%s, %s, 'smollm2', max_tokens => 100)"
    for (answer,) in llama.execute(call, (["Describe Ann, who wears red.", "Make up a person."], json.dumps(PERSON))):
        assert answer.keys() == {"name", "colour"}
        assert len(answer["name"]) <= 30
        assert answer["colour"] in ("red", "green")


def test_a_real_server_extracts(llama: psycopg.Connection) -> None:
    text = "Maria Gonzalez ordered 3 kettles."
    found = value(llama, "SELECT llm_extract(%s, %s, 'smollm2', max_tokens => 100)", text, json.dumps(PERSON))
    assert found is None or found.keys() == {"name", "colour"}
    if found:
        assert found["name"] is None or found["name"] in text
        assert found["colour"] in (None, "red", "green")


def test_a_real_server_classifies(llama: psycopg.Connection) -> None:
    texts = ["I love this kettle!", "It broke after a day, I want my money back."]
    rows = llama.execute("SELECT label FROM llm_classify_batch(%s, '{praise,complaint}', 'smollm2')", (texts,))
    assert {label for (label,) in rows} <= {"praise", "complaint"}


def test_a_real_server_embeds(llama: psycopg.Connection) -> None:
    call = "SELECT embedding::real[]::double precision[] FROM llm_embed_batch(%s, 'smollm2-vectors')"
    same, other, again = (row[0] for row in llama.execute(call, (["a cat", "the stock market fell", "a cat"],)))
    assert same == again != other
    assert sum(each * each for each in same) == pytest.approx(1, abs=1e-3)
    assert value(llama, "SELECT dimensions FROM llm_models WHERE name = 'smollm2-vectors'") == len(same)


def test_a_real_server_says_what_it_cannot(llama: psycopg.Connection, llama_endpoint: str) -> None:
    with pytest.raises(errors.IoError, match="does not support reranking"):
        register(llama, "never", "ranking", llama_endpoint)
    with pytest.raises(errors.DataException, match="HTTP 400: .*context"):
        llama.execute("SELECT llm_generate(repeat('word ', 40000), 'smollm2')")


def test_a_key_of_a_file_reaches_the_endpoint(db: psycopg.Connection, faulty: FaultyEndpoint) -> None:
    write_key(db, "big", "sk-secret")
    register(db, "keyed", "generation", faulty.source(), api_key_file="big")
    assert write(db, ["a"], "keyed") == [(1, "A")]
    assert faulty.requests[-1].headers["Authorization"] == "Bearer sk-secret"
    for name in ("../../postgresql.conf", "missing"):
        with pytest.raises(errors.InvalidParameterValue, match="key"):
            register(db, "never", "generation", faulty.source(), api_key_file=name)
    with pytest.raises(errors.InvalidParameterValue, match="holds no key"):
        register(db, "never", "generation", faulty.source(), api_key_env="NOT_SET_HERE")
