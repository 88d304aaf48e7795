"""What is computed with kept keys and values, alone or with others, is what whole sequences give."""

from __future__ import annotations

import os
import subprocess
import sys

from database import ROOT

PROGRAM = """
import sys, torch
from pathlib import Path
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder = Path(sys.argv[1])
words = ["[UNK]", *"abcdefgh"]
tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, "[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder)
torch.manual_seed(1)
sizes = dict(
    eos_token_id=None, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1,
)
LlamaForCausalLM(LlamaConfig(vocab_size=9, max_position_embeddings=64, **sizes)).save_pretrained(folder)

from pg_llm.models.causal import CausalModel
model = CausalModel(folder, "cpu", 1)
answers = ["a", "b c d", "e f", "", "h g f e d c"] + [f"{x} {y}" for x in "abcdefgh" for y in "abcdefgh"] * 2
question = model.question([{"role": "user", "content": "a b c d"}], answers)
prompt, ids = question.tokens
found = model.forward([question])[0]
for answer, score in zip(ids, found, strict=True):
    whole = torch.tensor([[*prompt, *answer]])
    with torch.inference_mode():
        chances = model._model(input_ids=whole).logits[0].log_softmax(-1)
    expected = sum(float(chances[len(prompt) - 1 + place, token]) for place, token in enumerate(answer))
    assert abs(score - expected) < 1e-4, (answer, score, expected)

from pg_llm.models.engine import Window, Sampling
from pg_llm.tasks import batching
def texts(prompts, **how):
    units = [model.prompt([{"role": "user", "content": prompt}], Sampling(40, **how)) for prompt in prompts]
    return batching.forward(model.forward, units, model.batch_tokens, lambda: None)
prompts = ["a", "b c d e f g h a b c d e f g", "h h", "c", "a"]
for how in ({}, {"temperature": 1.5, "seed": 3}):
    together = texts(prompts, **how)
    assert together == [texts([prompt], **how)[0] for prompt in prompts], together
    # Each next token is chosen from what the whole text before it says.
    if not how:
        for prompt, text in zip(prompts, together, strict=True):
            ids = model._prompt([{"role": "user", "content": prompt}])
            for _ in range(40):
                with torch.inference_mode():
                    ids.append(int(model._model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
            assert model._tokenizer.decode(ids[-40:], skip_special_tokens=True).strip() == text, (prompt, text)
print(len(found), model.truncate("a b " * 5000).count("a"))
"""


def test_kept_keys_and_values_change_nothing(tmp_path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "pymodule")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "133 500"
