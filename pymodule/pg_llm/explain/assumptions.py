"""In words, what an estimated effect is and what it rests on; what speaks against it comes first."""

from __future__ import annotations

from typing import Any

from pg_llm.explain.causal_variables import Variables

_NAMES = {"placebo": "a placebo", "random_common_cause": "a random common cause", "subset": "a part of the rows"}


def text(variables: Variables, row: dict[str, Any], refutations: dict[str, Any], is_binary: bool) -> str:
    """One sentence per assumption."""
    treatment, outcome = variables.treatment, variables.outcome
    refuted = [name for name, found in refutations.items() if isinstance(found, dict) and found.get("passed") is False]
    sentences = [f"Refuted, do not rely on it: {', '.join(_NAMES.get(name, name) for name in refuted)}."] * bool(
        refuted
    )
    unit = f"{treatment} compared with none" if is_binary else f"one more of {treatment}"
    sentences.append(f"The mean effect of {unit} on {outcome}, in {row['rows']:,} rows.")
    if row["null_rows"]:
        sentences.append(f"{row['null_rows']:,} rows that lack a value were left out, as if they lacked it by chance.")
    if variables.instruments:
        sentences.append(
            f"Nothing but {treatment} leads from {_list(variables.instruments)} to {outcome}, "
            f"and nothing causes both{_given(variables)}; where the effect differs, it is that on those who are moved."
        )
    else:
        sentences.append(
            f"Nothing else bears on both {treatment} and {outcome}{_given(variables)}"
            f"{_hidden(refutations['hidden_confounder'])}."
        )
    if variables.confounders:
        sentences.append(
            f"{_list(variables.confounders)} came before {treatment}, and {treatment} did not change them."
        )
    sentences.append("Each row is a case of its own, and its treatment bears on no other row.")
    return " ".join(sentences)


def _given(variables: Variables) -> str:
    return f" but {_list(variables.confounders)}" if variables.confounders else ""


def _hidden(shares: dict[str, float]) -> str:
    """How strong a confounder that nobody named would have to be."""
    if not shares["interval"]:
        return ""
    return f"; a hidden cause that explains {shares['interval']:.1%} of what is left of both would make it none"


def _list(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
