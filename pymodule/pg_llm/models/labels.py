"""What the configuration of a transformer says of its labels."""

from __future__ import annotations

from typing import Any


def label_details(task: str, config: dict[str, Any]) -> dict[str, Any]:
    """The details for the registry of a network that classifies texts, pairs or words."""
    named = {int(number): str(label) for number, label in config["id2label"].items()}
    labels = [named[number] for number in range(len(named))]
    details: dict[str, Any] = {"labels": labels}
    lowered = [label.lower() for label in labels]
    if task == "classification" and {"entailment", "contradiction"} <= set(lowered):
        # A model of natural-language inference classifies by any labels; its own are of no use to callers.
        details = {"entailment": [lowered.index("entailment"), lowered.index("contradiction")]}
    if task == "entities":
        details = {
            "labels": sorted({tag[2:] if tag[:2] in ("B-", "I-") else tag for tag in labels if tag != "O"}),
            "tags": labels,
            "tag_scheme": config.get("tag_scheme"),
        }
    if config.get("problem_type") == "multi_label_classification":
        details["multi_label"] = True
    return details
