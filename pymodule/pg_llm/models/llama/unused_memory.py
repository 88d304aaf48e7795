"""Resident memory that a process has no use for yet goes back to the kernel (madvise(2), malloc_trim(3)).

llama.cpp fills the key-value cache of a whole context with zeros when it starts, which makes all of it resident. A page
of zeros that is given back is a page of zeros when it is next read, so that the cache takes memory as texts need it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

# Nothing but a cache is so many bytes of zeros: stacks of threads and what malloc keeps for them are smaller.
_LEAST = 16 << 20
# Bytes that are looked at together.
_PIECE = 1 << 16
# Of the kernel's <linux/mman.h>.
_MADV_DONTNEED, _MADV_NOHUGEPAGE = 4, 15


def release(least: int = _LEAST) -> int:
    """Give back runs of zeros of at least so many bytes, and what malloc has freed; the bytes of those runs.

    No other thread may work meanwhile.
    """
    libc = ctypes.CDLL(None)
    libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.malloc_trim(0)
    zeros = bytes(_PIECE)
    released = 0
    for start, end in _writable(least):
        for first, last in _runs(libc, start, end, zeros):
            if last - first < least:
                continue
            # With huge pages a few bytes in each part of the cache would take all of it.
            libc.madvise(first, last - first, _MADV_NOHUGEPAGE)
            # Nothing is allocated between the look at a piece and its release.
            for piece in range(first, last, _PIECE):
                if not libc.memcmp(piece, zeros, _PIECE) and not libc.madvise(piece, _PIECE, _MADV_DONTNEED):
                    released += _PIECE
    return released


def _writable(least: int) -> list[tuple[int, int]]:
    """First and last address of the anonymous mappings of at least so many bytes."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        lines = [line.split() for line in maps]
    ranges = [line[0].split("-") for line in lines if len(line) == 5 and line[1] == "rw-p"]
    found = [(int(start, 16), int(end, 16)) for start, end in ranges]
    return [(start, end) for start, end in found if end - start >= least]


def _runs(libc: ctypes.CDLL, start: int, end: int, zeros: bytes) -> Iterator[tuple[int, int]]:
    """First and last address of each run of pieces that hold zeros only."""
    first = start
    for piece in range(start, end - _PIECE + 1, _PIECE):
        if libc.memcmp(piece, zeros, _PIECE):
            yield first, piece
            first = piece + _PIECE
    yield first, start + (end - start) // _PIECE * _PIECE
