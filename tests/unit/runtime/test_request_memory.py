"""The host's size: large texts are refused or ended where there is no room, small ones never."""

from __future__ import annotations

import asyncio

import pytest
from pg_llm.errors import MemoryLimitExceeded
from pg_llm.runtime.request_memory import LARGE, Memory

MB = 1 << 20


class Fake(Memory):
    """Of a size that the test says; counts how often memory was given back."""

    def __init__(self, limit: int, size: int) -> None:
        super().__init__(limit)
        self.held = size
        self.given_back = 0

    def size(self) -> int:
        return self.held

    def give_back(self) -> None:
        self.given_back += 1


def test_small_texts_are_read_however_large_the_host_is() -> None:
    Fake(100 * MB, 900 * MB).check(LARGE - 1)


def test_a_large_text_is_refused_where_it_has_no_room() -> None:
    host = Fake(500 * MB, 300 * MB)
    host.check(5 * MB)
    with pytest.raises(MemoryLimitExceeded, match="may take 500 MB, and takes 300 MB") as caught:
        host.check(50 * MB)
    assert "llm.host_memory_limit" in str(caught.value.hint)
    assert caught.value.sqlstate == "53200"
    # What is free may be given back before anything is refused.
    assert host.given_back == 1


def test_texts_that_are_being_read_count() -> None:
    async def work() -> None:
        host = Fake(500 * MB, 300 * MB)
        with host.reserved(6 * MB), pytest.raises(MemoryLimitExceeded):
            host.check(6 * MB)
        host.check(6 * MB)
        assert host.given_back == 2

    asyncio.run(work())


def test_the_largest_is_ended_where_the_host_has_grown_too_large() -> None:
    async def read(host: Fake, size: int) -> str:
        try:
            with host.reserved(size):
                await asyncio.sleep(10)
        except MemoryLimitExceeded as error:
            return error.message
        return "read"

    async def work() -> None:
        host = Fake(500 * MB, 300 * MB)
        sizes = (MB, 9 * MB, 2 * MB, 1)
        readers = [asyncio.create_task(read(host, size)) for size in sizes]
        await asyncio.sleep(0)
        host.relieve()
        assert not any(reader.done() for reader in readers)
        host.held = 600 * MB
        host.relieve()
        # One after the other, as each may have been enough.
        found = await readers[1]
        assert "took more than there is" in found
        assert [reader.done() for reader in readers] == [False, True, False, False]
        readers[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await readers[0]
        for reader in readers[2:]:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    asyncio.run(work())


def test_the_size_is_that_of_the_process() -> None:
    assert 5 * MB < Memory(1).size() < 100_000 * MB
    Memory(1).give_back()
