"""llama.cpp's server for one model: python -m pg_llm.models.llama.server, with its settings on standard input.

It serves HTTP on a Unix socket, writes one line once it does, and exits when its standard input is closed, which is
when its parent ends, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pg_llm import parent_death
from pg_llm.models.llama import unused_memory

if TYPE_CHECKING:
    from pg_llm.models.llama.settings import Settings

# The socket, and what llama.cpp writes: the parent makes a folder for both.
FILES = SOCKET, LOG = "llama.sock", "log"


def main() -> None:
    """Serve until the parent has gone."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # An interrupt from the terminal is for the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started_with = json.loads(sys.stdin.readline())
    socket = started_with.pop("socket")
    # A file may keep llama.cpp busy for ever while it is loaded, and Python waits for that.
    parent_death.die_once_closed(sys.stdin.fileno())
    try:
        import xllamacpp

        server = xllamacpp.Server(parameters(SimpleNamespace(**started_with), socket))
        answer = {"address": server.listening_address}
        # Before the first request, as nothing else runs meanwhile.
        unused_memory.release()
    except ImportError as error:
        answer = {"error": str(error), "missing": "xllamacpp"}
    except Exception as error:  # noqa: BLE001 - reported to the parent
        answer = {"error": f"{type(error).__name__}: {error}"}
    # Before it says so: a parent that ends from then on leaves nothing behind.
    parent_death.read_on(sys.stdin.fileno())
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(answer), flush=True)
    sys.stdin.read()
    _remove(os.path.dirname(socket))
    # At once, in the middle of a text too.
    os._exit(0)


def _remove(folder: str) -> None:
    """Remove what the parent made for this process, and nothing else that may lie there."""
    for name in FILES:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, name))
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def parameters(settings: Settings | SimpleNamespace, host: str) -> Any:
    """What llama.cpp is started with; a host that ends in .sock is a Unix socket."""
    import xllamacpp

    chosen = xllamacpp.CommonParams()
    chosen.model.path = settings.file
    chosen.hostnames = [host]
    chosen.n_ctx, chosen.n_parallel = settings.context * settings.slots, settings.slots
    chosen.n_batch = chosen.n_ubatch = settings.batch
    # With keys and values of its own, and with flash attention, a text comes out the same whatever is beside it.
    chosen.kv_unified = False
    chosen.cache_type_k, chosen.cache_type_v = (
        getattr(xllamacpp.ggml_type, f"GGML_TYPE_{name}") for name in settings.cache_types
    )
    chosen.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = settings.threads
    chosen.embedding = settings.embedding
    # Keys and values of earlier prompts stay in their slots, and nowhere else: the copies would be as large again.
    chosen.cache_ram_mib = 0
    chosen.warmup = chosen.ui = chosen.fit_params = False
    chosen.enable_reasoning = 0
    # What the model writes is a text, even if it looks like a call of a tool.
    chosen.force_pure_content_parser = True
    # Refused requests are told to who sent them.
    chosen.verbosity = 0
    return chosen


if __name__ == "__main__":
    main()
