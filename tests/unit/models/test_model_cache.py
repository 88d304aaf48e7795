import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.errors import InvalidModel, MemoryLimitExceeded
from pg_llm.models.engine import Window
from pg_llm.models.model_cache import ModelCache
from pg_llm.models.spec import ModelSpec


@dataclass
class Loaded:
    bytes: int
    engine: str = "fake"
    device: str = "none"
    task: str = "embedding"
    batch_tokens: int = 1
    details: dict[str, object] = field(default_factory=dict)

    def encode(self, texts: object, overlap: int = 0) -> list[list[Window]]:
        raise NotImplementedError

    def forward(self, batch: object) -> object:
        raise NotImplementedError


def _spec(number: int, **options: object) -> ModelSpec:
    return ModelSpec(f"m{number}", "embedding", f"path:/m{number}", digest=str(number), options=dict(options))


class Store:
    """A cache of models that weigh `sizes[number]`, and what it loaded."""

    def __init__(self, sizes: dict[str, int], limit: int) -> None:
        self.loads: list[str] = []
        self.broken: set[str] = set()
        self._sizes = sizes
        self.cache = ModelCache(self._load, lambda spec: sizes[spec.name], limit)

    def _load(self, spec: ModelSpec) -> Loaded:
        self.loads.append(spec.name)
        if spec.name in self.broken:
            raise InvalidModel("broken")
        return Loaded(self._sizes[spec.name])


def test_a_model_that_16_threads_want_at_once_is_loaded_once() -> None:
    started, release = threading.Event(), threading.Event()
    loads = []

    def load(spec: ModelSpec) -> Loaded:
        loads.append(spec.name)
        started.set()
        assert release.wait(10)
        return Loaded(10)

    cache = ModelCache(load, lambda spec: 10, 100)
    with ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(cache.get, _spec(1)) for _ in range(16)]
        assert started.wait(10)
        assert cache.state(_spec(1)) == "loading"
        assert cache.peek(_spec(1)) is None
        release.set()
        assert len({id(found.result(10)) for found in waiting}) == 1
    assert loads == ["m1"]
    assert cache.state(_spec(1)) == "loaded"


def test_a_model_that_loads_does_not_hold_up_another_that_is_there() -> None:
    release = threading.Event()

    def load(spec: ModelSpec) -> Loaded:
        assert spec.name == "m1" or release.wait(10)
        return Loaded(10)

    cache = ModelCache(load, lambda spec: 10, 100)
    there = cache.get(_spec(1))
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(cache.get, _spec(2))
        assert cache.get(_spec(1)) is there
        assert not slow.done()
        release.set()
        assert slow.result(10).bytes == 10


def test_the_least_recently_used_model_makes_room() -> None:
    store = Store({"m1": 40, "m2": 40, "m3": 40}, limit=100)
    store.cache.get(_spec(1))
    store.cache.get(_spec(2))
    store.cache.get(_spec(1))
    store.cache.peek(_spec(2))
    store.cache.get(_spec(3))
    assert [store.cache.state(_spec(number)) for number in (1, 2, 3)] == ["loaded", "unloaded", "loaded"]


def test_a_model_over_the_limit_is_refused_and_pushes_nothing_out() -> None:
    store = Store({"m1": 40, "m2": 101}, limit=100)
    store.cache.get(_spec(1))
    with pytest.raises(MemoryLimitExceeded, match='"m2"'):
        store.cache.get(_spec(2))
    assert store.loads == ["m1"]
    assert store.cache.state(_spec(1)) == "loaded"
    assert store.cache.state(_spec(2)) == "unloaded"


def test_a_model_that_weighs_nothing_stays() -> None:
    store = Store({"m1": 0, "m2": 60, "m3": 60}, limit=100)
    for number in (1, 2, 3):
        store.cache.get(_spec(number))
    assert [store.cache.state(_spec(number)) for number in (1, 2, 3)] == ["loaded", "unloaded", "loaded"]


def test_a_failed_load_leaves_nothing_and_is_tried_again() -> None:
    store = Store({"m1": 10}, limit=100)
    store.broken = {"m1"}
    with pytest.raises(InvalidModel):
        store.cache.get(_spec(1))
    assert store.cache.state(_spec(1)) == "unloaded"
    assert not store.cache.drop(_spec(1))
    store.broken = set()
    assert store.cache.get(_spec(1)).bytes == 10
    assert store.loads == ["m1", "m1"]


def test_dropped_means_loaded_anew_for_the_next_and_kept_for_who_has_it() -> None:
    store = Store({"m1": 10}, limit=100)
    mine = store.cache.get(_spec(1))
    assert store.cache.drop(_spec(1))
    assert not store.cache.drop(_spec(1))
    assert store.cache.get(_spec(1)) is not mine


def test_options_revision_and_digest_make_another_model_and_the_name_does_not() -> None:
    one = ModelSpec("m1", "embedding", "path:/m1", "r1", "d1", {"precision": "fp32"})
    others = [
        ModelSpec("m1", "other", "path:/m1", "r1", "d1", {"precision": "fp32"}),
        ModelSpec("m1", "embedding", "path:/m2", "r1", "d1", {"precision": "fp32"}),
        ModelSpec("m1", "embedding", "path:/m1", "r2", "d1", {"precision": "fp32"}),
        ModelSpec("m1", "embedding", "path:/m1", "r1", "d2", {"precision": "fp32"}),
        ModelSpec("m1", "embedding", "path:/m1", "r1", "d1", {"precision": "int8"}),
    ]
    store = Store({"m1": 10, "alias": 10}, limit=1000)
    found = store.cache.get(one)
    assert store.cache.get(ModelSpec("alias", "embedding", "path:/m1", "r1", "d1", {"precision": "fp32"})) is found
    assert len({id(store.cache.get(other)) for other in others} | {id(found)}) == 6


@given(st.lists(st.integers(0, 9), max_size=40), st.lists(st.integers(1, 60), min_size=10, max_size=10))
def test_never_holds_more_than_the_limit(wanted: list[int], sizes: list[int]) -> None:
    store = Store({f"m{number}": size for number, size in enumerate(sizes)}, limit=100)
    for number in wanted:
        assert store.cache.get(_spec(number)).bytes == sizes[number]
        held = [found.bytes for other in range(10) if (found := store.cache.peek(_spec(other)))]
        assert sum(held) <= 100
