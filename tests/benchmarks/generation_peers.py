"""Peers of the generation benchmark, each in a process of its own: python generation_peers.py PEER FOLDER.

Reads a list of lists of prompts, those of one session each, as a line of JSON; answers with seconds and texts.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Write = Callable[[list[list[str]], int], list[str]]


def torch_peer(folder: Path) -> Write:
    """Weights inflated to fp32, decoded by transformers; one prompt of each session in a batch."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    (file,) = folder.glob("*.gguf")
    tokenizer = AutoTokenizer.from_pretrained(str(folder), gguf_file=file.name, padding_side="left")
    config = GgufConfig(dequantize=True)
    options: dict[str, Any] = {"dtype": torch.float32, "quantization_config": config}
    model = AutoModelForCausalLM.from_pretrained(str(folder), gguf_file=file.name, **options).eval()
    tokenizer.pad_token = tokenizer.eos_token

    def write(sessions: list[list[str]], max_tokens: int) -> list[str]:
        texts = []
        for prompts in zip(*sessions, strict=True):
            chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
            chat = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
            batch = tokenizer(chat, return_tensors="pt", padding=True, add_special_tokens=False)
            with torch.inference_mode():
                found = model.generate(**batch, max_new_tokens=max_tokens, do_sample=False, pad_token_id=0)
            texts += tokenizer.batch_decode(found[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        return texts

    return write


def llama_peer(folder: Path, threads: bool = False) -> Write:
    """xllamacpp alone, with the settings that the product has on this machine, or eight slots and a thread per core."""
    import xllamacpp
    from pg_llm.models.llama.server import parameters
    from pg_llm.models.llama.settings import choose
    from pg_llm.models.spec import ModelSpec

    chosen = choose(ModelSpec("peer", "generation", f"path:{folder}"), folder, 0)
    if threads:
        chosen = dataclasses.replace(chosen, slots=8, threads=os.cpu_count() or 1)
    server = xllamacpp.Server(parameters(chosen, "127.0.0.1"))

    def write(sessions: list[list[str]], max_tokens: int) -> list[str]:
        def session(prompts: list[str]) -> list[str]:
            return [ask(prompt) for prompt in prompts]

        def ask(prompt: str) -> str:
            body = {
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": max_tokens,
                "temperature": 0,
            }
            return str(server.handle_chat_completions(body)["choices"][0]["message"]["content"])

        with ThreadPoolExecutor(len(sessions)) as threads:
            return [text for texts in threads.map(session, sessions) for text in texts]

    return write


def main(peer: str, folder: str) -> None:
    # What a library prints is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    peers = {"torch": torch_peer, "llama": llama_peer, "threads": functools.partial(llama_peer, threads=True)}
    write = peers[peer](Path(folder))
    write([["Hello"]], 2)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        texts = write(asked["sessions"], asked["max_tokens"])
        print(json.dumps([time.monotonic() - began, texts]), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
