"""Whether this processor multiplies bfloat16 itself, which halves the time of a training at the least."""

from __future__ import annotations

import torch


def is_native() -> bool:
    """True for AVX512_BF16, AMX and newer GPUs; elsewhere bfloat16 is emulated and slow."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
