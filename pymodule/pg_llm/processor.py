"""What the processor can do."""

from __future__ import annotations

import functools

_CPUINFO = "/proc/cpuinfo"
_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})


@functools.cache
def has_vnni() -> bool:
    """Whether it multiplies int8 in one instruction (Vector Neural Network Instructions of x86), so that int8 pays."""
    try:
        with open(_CPUINFO, encoding="ascii", errors="replace") as lines:
            # The first processor stands for all.
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return False
    return not _FLAGS.isdisjoint(flags.split())
