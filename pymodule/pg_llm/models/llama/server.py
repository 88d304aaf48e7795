"""llama.cpp's server for one model: python -m pg_llm.models.llama.server, with its settings on standard input.

It serves HTTP on a Unix socket, writes one line once it does, and exits when its standard input is closed, which is
when its parent ends, however that ends.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from typing import Any


def main() -> None:
    """Serve until the parent has gone."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # An interrupt from the terminal is for the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = json.loads(sys.stdin.readline())
    try:
        server = _server(settings)
        answer = {"address": server.listening_address}
    except Exception as error:  # noqa: BLE001 - reported to the parent
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
    sys.stdin.read()
    shutil.rmtree(os.path.dirname(settings["socket"]), ignore_errors=True)
    # At once, in the middle of a text too.
    os._exit(0)


def _server(settings: dict[str, Any]) -> Any:
    import xllamacpp as llama

    parameters = llama.CommonParams()
    parameters.model.path = settings["file"]
    parameters.hostnames = [settings["socket"]]
    parameters.n_ctx, parameters.n_parallel = settings["context"] * settings["slots"], settings["slots"]
    parameters.n_batch = parameters.n_ubatch = settings["batch"]
    # With keys and values of its own, and with flash attention, a text comes out the same whatever is beside it.
    parameters.kv_unified = False
    parameters.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["batch_threads"]
    parameters.embedding = settings["embedding"]
    # Keys and values of earlier prompts stay in their slots, and nowhere else: the copies would be as large again.
    parameters.cache_ram_mib = 0
    parameters.warmup = parameters.ui = parameters.fit_params = False
    parameters.enable_reasoning = 0
    # What the model writes is a text, even if it looks like a call of a tool.
    parameters.force_pure_content_parser = True
    # Refused requests are told to who sent them.
    parameters.verbosity = 0
    return llama.Server(parameters)


if __name__ == "__main__":
    main()
