"""How long a transformer is trained."""

from __future__ import annotations

from typing import Any

from pg_llm.training.host import schedule
from pg_llm.training.host.schedule import Schedule

CHOSEN: dict[str, Any] = {"epochs": 0, "patience": 0, "batch_size": 0, "learning_rate": 0.0}


def test_few_rows_are_seen_more_often_and_in_smaller_batches() -> None:
    assert schedule.of("entities", "finetune", 80, CHOSEN) == Schedule(30, 10, 8, 2e-4)
    assert schedule.of("entities", "finetune", 160, CHOSEN) == Schedule(15, 5, 8, 2e-4)
    assert schedule.of("classify", "lora", 1600, CHOSEN) == Schedule(4, 3, 16, 1e-3)


def test_epochs_never_grow_with_the_rows() -> None:
    epochs = [schedule.of("tag", "finetune", rows, CHOSEN).epochs for rows in range(1, 3000, 7)]
    assert epochs[0] == 30
    assert epochs[-1] == 4
    small, large = epochs[:71], epochs[72:]
    assert small == sorted(small, reverse=True)
    assert large == sorted(large, reverse=True)


def test_what_is_given_is_taken() -> None:
    given = {"epochs": 7, "patience": 2, "batch_size": 4, "learning_rate": 0.5}
    assert schedule.of("tag", "lora", 10, given) == Schedule(7, 2, 4, 0.5)
