from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pg_llm.recommend.host import transformer
from pg_llm.recommend.host.transformer import Network, Optimizer

ITEMS = 30
OPTIONS = {"dimensions": 8, "layers": 1, "heads": 2, "max_length": 5, "dropout": 0.0}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty items are too many to compare with all."""
    monkeypatch.setattr(transformer, "_MAX_FULL_SOFTMAX", 20)
    monkeypatch.setattr(transformer, "_NEGATIVES", 4)


def network() -> Network:
    torch.manual_seed(1)
    return Network(ITEMS, torch.rand(ITEMS, 6), OPTIONS)


def batch() -> tuple[list[Any], list[Any]]:
    found = [np.array([1, 2, 3, 4]), np.array([2, 3])]
    return found, [np.ones(len(each), dtype=np.float32) for each in found]


def test_a_step_moves_only_what_it_saw(few: None) -> None:
    made = network()
    known = torch.zeros(ITEMS)
    known[:10] = 1
    before, bias = made.own.detach().clone(), made.bias.detach().clone()
    Optimizer(made, 0.01).step(made.loss(*batch(), known))
    moved = (made.own.detach() - before).abs().sum(1) > 0
    assert moved[1:5].any()
    # What has no events is never drawn.
    assert not moved[10:].any()
    assert (made.bias.detach() != bias)[2:5].all()
    assert not (made.bias.detach() != bias)[10:].any()


def test_what_is_drawn_stands_for_all(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformer, "_TEXT_ONLY", 0.0)
    known, made = torch.ones(ITEMS), network()
    made.own.data *= 40
    monkeypatch.setattr(transformer, "_NEGATIVES", 20_000)
    drawn = made.loss(*batch(), known).item()
    monkeypatch.setattr(transformer, "_MAX_FULL_SOFTMAX", ITEMS)
    assert drawn == pytest.approx(made.loss(*batch(), known).item(), abs=0.05)
    assert abs(drawn - np.log(ITEMS)) > 0.1


def test_parts_have_the_gradient_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformer, "_CHUNK", 3)
    torch.manual_seed(2)
    wanted, drawn = torch.tensor([0, 5, 7, 1, 9, 5, 3]), torch.tensor([5, 2, 9, 9, 4])
    given = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in ((7, 4), (5, 4), (5,))]

    def whole(after: torch.Tensor, vectors: torch.Tensor, worth: torch.Tensor) -> torch.Tensor:
        return (after @ vectors.T + worth).masked_fill(drawn == wanted[:, None], -1e9).logsumexp(1)

    def parts(*given: torch.Tensor) -> Any:
        return transformer._NegativeLogSumExp.apply(*given, wanted, drawn)

    assert torch.allclose(parts(*given), whole(*given))
    assert torch.autograd.gradcheck(parts, given)


def test_large_gradients_are_clipped(few: None) -> None:
    made = network()
    optimizer = Optimizer(made, 0.01)
    optimizer.step(1000 * made.loss(*batch(), torch.ones(ITEMS)))
    norms = [each.grad.norm() for each in made.parameters() if each.grad is not None]
    assert float(torch.stack(norms).norm()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.slow
def test_many_items_are_learnt_too(few: None) -> None:
    made, known = network(), torch.ones(ITEMS)
    optimizer = Optimizer(made, 0.02)
    for _ in range(600):
        optimizer.step(made.loss(*batch(), known))
    scores = made.scores([np.array([1, 2, 3])], known)
    assert int(scores[0].argmax()) == 4
