"""Differentially private stochastic gradient descent (Abadi and others 2016), by Opacus: clipping, noise, accountant.

What is hidden is a unit: a row, or all rows of a person. A step has each unit with the same probability (Poisson
sampling), as the accountant assumes. Which units and which noise is drawn from the operating system's entropy, never
from a seed: who knew a seed could take the noise off again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from opacus.accountants import RDPAccountant
from opacus.accountants.utils import get_noise_multiplier
from opacus.grad_sample import GradSampleModule
from opacus.optimizers import DPOptimizer

from pg_llm.errors import Error, InvalidInput
from pg_llm.runtime.training.report import Report
from pg_llm.training.host.schedule import PrivatePlan

# Orders of Rényi divergence (Mironov 2017) of which the best bound counts: for whole ones it is a finite sum (Mironov,
# Talwar and Zhang 2019), and a small epsilon needs larger ones than Opacus has.
_ORDERS = [*range(2, 65), 72, 80, 96, 128, 192, 256, 512, 1024]
# Units whose gradients are in memory at a time.
_CHUNK = 64
# Words of the state of torch's generator on a CPU, a Mersenne twister, and where in its serialised form they begin.
_STATE_WORDS, _STATE_START = 624, 24


@dataclass(frozen=True, slots=True)
class Spent:
    """What the accountant says of a training: epsilon for this delta, and the noise in multiples of the clip."""

    epsilon: float
    delta: float
    noise_multiplier: float


def train(
    module: torch.nn.Module,
    losses: Callable[[Any, list[int]], torch.Tensor],
    units: Sequence[Sequence[int]],
    plan: PrivatePlan,
    epsilon: float,
    delta: float,
    optimizer: torch.optim.Optimizer,
    report: Report,
) -> Spent:
    """Train the parameters of a module that take gradients, on units of rows; `losses` has one number for each row.

    The optimizer is one of these parameters. A unit's gradient is the mean of those of its rows. Raises InvalidInput.
    """
    noise_multiplier = calibrate(plan, epsilon, delta)
    wrapped = GradSampleModule(module, loss_reduction="sum")
    parameters = [parameter for parameter in wrapped.parameters() if parameter.requires_grad]
    generator = torch.Generator()
    private = DPOptimizer(
        optimizer,
        noise_multiplier=noise_multiplier,
        max_grad_norm=plan.clip,
        expected_batch_size=plan.batch_size,
        generator=generator,
        # Noise that its floating-point representation does not give away (Holohan and Braghin 2021).
        secure_mode=True,
    )
    accountant = RDPAccountant()
    private.attach_step_hook(accountant.get_optimizer_hook_fn(plan.sample_rate))
    for step in range(plan.steps):
        report("training", step, plan.steps)
        _fill(generator)
        drawn = poisson_sample(len(units), plan.sample_rate)
        # Without any unit a step is one of noise alone.
        chunks = [drawn[start : start + _CHUNK] for start in range(0, len(drawn), _CHUNK)] or [[]]
        for number, chunk in enumerate(chunks, 1):
            _gradients(wrapped, losses, [units[unit] for unit in chunk], parameters)
            private.signal_skip_step(do_skip=number < len(chunks))
            private.step()
            private.zero_grad()
    wrapped.remove_hooks()
    spent = accountant.get_epsilon(delta, alphas=_ORDERS)
    if not spent <= epsilon:
        raise Error(f"the training has spent an epsilon of {spent:g}, and {epsilon:g} was allowed")
    # Upwards: less would be a promise that does not hold.
    return Spent(min(epsilon, math.ceil(spent * 1e4) / 1e4), delta, round(noise_multiplier, 4))


def calibrate(plan: PrivatePlan, epsilon: float, delta: float) -> float:
    """The least noise, in multiples of the clip, with which all steps spend epsilon at most. Raises InvalidInput."""
    try:
        return float(
            get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=plan.sample_rate,
                steps=plan.steps,
                accountant=RDPAccountant.mechanism(),
                epsilon_tolerance=min(0.01, epsilon / 100),
                alphas=_ORDERS,
            )
        )
    except ValueError as error:
        raise InvalidInput(
            f"no noise is enough for epsilon {epsilon:g} and delta {delta:g}",
            hint="Choose larger ones, or fewer epochs.",
        ) from error


def poisson_sample(units: int, rate: float) -> list[int]:
    """Each of the units with this probability, independently."""
    draws = np.frombuffer(os.urandom(8 * units), dtype=np.uint64)
    return [int(unit) for unit in np.flatnonzero(draws.astype(np.float64) < rate * 2.0**64)]


def _gradients(
    wrapped: Any,
    losses: Callable[[Any, list[int]], torch.Tensor],
    chunk: Sequence[Sequence[int]],
    parameters: list[Any],
) -> None:
    """Leave the gradient of each unit in the parameters: the mean of its rows'."""
    if not chunk:
        for parameter in parameters:
            parameter.grad_sample = torch.zeros((0, *parameter.shape))
        return
    rows = [row for unit in chunk for row in unit]
    of_row = torch.tensor([number for number, unit in enumerate(chunk) for _ in unit])
    shares = torch.tensor([1 / len(unit) for unit in chunk for _ in unit])
    torch.autograd.backward((losses(wrapped, rows) * shares).sum())
    for parameter in parameters:
        # A gradient that is no number would pass the clipping.
        gradients = torch.nan_to_num(parameter.grad_sample, nan=0.0, posinf=0.0, neginf=0.0)
        parameter.grad_sample = torch.zeros((len(chunk), *parameter.shape)).index_add_(0, of_row, gradients)


def _fill(generator: torch.Generator) -> None:
    """Give the generator a state of as much entropy as it holds: of a seed torch takes 32 bits, which can be tried."""
    state = generator.manual_seed(0).get_state()
    words = np.frombuffer(os.urandom(4 * _STATE_WORDS), dtype=np.uint32).astype(np.uint64)
    state[_STATE_START : _STATE_START + 8 * _STATE_WORDS] = torch.from_numpy(words.view(np.uint8).copy())
    generator.set_state(state)
