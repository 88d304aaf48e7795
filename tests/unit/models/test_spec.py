import pytest
from pg_llm.errors import InvalidInput, InvalidModel
from pg_llm.models import loading
from pg_llm.models.spec import OPTIONS, ModelSpec, check_options


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"device": "cpu"},
        {"engine": "onnx", "precision": "int8"},
        {"query_prompt": "query: ", "timeout": 5},
        {"allow_http": True, "retries": 0, "concurrency": 256, "max_response": "1GB", "batch_size": 1},
        {
            "rate_limit": {"requests": 1},
            "price_in": 0.15,
            "price_out": 2,
            "headers": {"OpenAI-Organization": "us"},
            "extra_body": {"seed": None},
        },
    ],
)
def test_options_that_exist_are_accepted(options: dict[str, object]) -> None:
    check_options(options)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"devise": "cpu"}, "devise"),
        ({"device": "tpu"}, "device"),
        ({"precision": 8}, "precision"),
        ({"timeout": "60"}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"query_prompt": None}, "query_prompt"),
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"engine": ["onnx"]}, "engine"),
        ({"timeout": 0}, "timeout"),
        ({"retries": 21}, "retries"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"allow_http": 1}, "allow_http"),
        ({"rate_limit": {"requests": 0}}, "rate_limit"),
        ({"rate_limit": {"seconds": 1}}, "rate_limit"),
        ({"rate_limit": 60}, "rate_limit"),
        ({"extra_body": {"stream": True}}, "extra_body"),
        ({"headers": {"Authorization": "Bearer sk"}}, "headers"),
        ({"headers": {"X-Api-Key": "sk"}}, "headers"),
        ({"headers": {"Host": "other"}}, "headers"),
        ({"headers": {"X": "a\r\nHost: b"}}, "headers"),
        ({"headers": {"X\n": "a"}}, "headers"),
        ({"headers": {"X": 1}}, "headers"),
        ({"price_in": -1}, "price_in"),
        ({"price_out": True}, "price_out"),
        ({"price_out": "1"}, "price_out"),
    ],
)
def test_options_that_do_not_exist_or_cannot_be_are_refused_by_name(options: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput, match=f'"{named}"') as caught:
        check_options(options)
    assert caught.value.hint


def test_a_size_is_written_as_in_settings() -> None:
    with pytest.raises(InvalidInput, match='invalid value for max_response: "much"'):
        check_options({"max_response": "much"})


def test_every_option_says_what_it_is() -> None:
    assert all(meaning for _, meaning in OPTIONS.values())


def test_a_spec_comes_over_the_socket_as_it_was() -> None:
    spec = ModelSpec("m", "embedding", "path:/m", None, "d", {"precision": "int8"})
    assert ModelSpec.from_wire(spec.to_wire()) == spec


def test_resolving_checks_the_options_before_the_source() -> None:
    with pytest.raises(InvalidInput, match="devise"):
        loading.resolve(ModelSpec("m", "embedding", "path:/nowhere", options={"devise": "cpu"}))
    with pytest.raises(InvalidModel):
        loading.resolve(ModelSpec("m", "embedding", "path:/nowhere"))


def test_an_endpoint_is_known_by_its_address_and_weighs_nothing() -> None:
    one, two = (ModelSpec("m", "embedding", f"https://host/v1#{name}") for name in "ab")
    assert loading.resolve(one).digest != loading.resolve(two).digest
    assert loading.weight(one) == 0
