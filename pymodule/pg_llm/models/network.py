"""A transformer as one PyTorch module from padded tokens to outputs, for the torch engine and for export."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pg_llm.errors import InvalidModel
from pg_llm.models import source, tokens
from pg_llm.models.labels import label_details
from pg_llm.models.tokens import Tokenization


@dataclass(frozen=True, slots=True)
class Meta:
    """The description of a network that an export stores: input names and limits, prompts, details for the registry."""

    task: str
    inputs: list[str]
    max_tokens: int
    pad_id: int
    details: dict[str, Any]
    prompts: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The description as a JSON object."""
        return asdict(self)


class Network(torch.nn.Module):
    """Padded tokens in; unit vectors, logits of labels or of relevance, or logits of labels for each token out.

    `base` is the folder of the model that adapters in `folder` are of; they are merged into its weights.
    """

    def __init__(
        self, folder: Path, task: str, device: str = "cpu", attention: str | None = None, base: Path | None = None
    ) -> None:
        super().__init__()
        self._base = base
        load = self._embedding if task == "embedding" else self._labels
        # Never pickle, never code that comes with the model.
        options: dict[str, Any] = {"use_safetensors": True} | ({"attn_implementation": attention} if attention else {})
        self.meta = load(folder, task, options)
        self.to(device).eval()

    def tokenization(self) -> Tokenization:
        """The tokenizer that belongs to the network."""
        return tokenization(self._tokenizer, self.meta.max_tokens, self.meta.task)

    def serialized_tokenizer(self) -> str:
        """The tokenizer as the tokenizers library reads it."""
        return str(self._tokenizer.backend_tokenizer.to_str())

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The inputs in the order of `meta.inputs`."""
        if self.meta.task == "embedding":
            return self.with_states(*inputs)[0]
        named = dict(zip(self.meta.inputs, inputs, strict=True))
        logits: torch.Tensor = self.model(**named).logits
        return logits.float()

    def with_states(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The unit vectors of a network that embeds, and the states of the tokens that they are pooled from."""
        found = self.model(dict(zip(self.meta.inputs, inputs, strict=True)))
        vectors = torch.nn.functional.normalize(found["sentence_embedding"].float(), dim=-1)
        return vectors, found["token_embeddings"].float()

    def word_embeddings(self) -> torch.nn.Module:
        """The layer that gives each token its vector."""
        model = self.model[0].auto_model if self.meta.task == "embedding" else self.model
        return model.get_input_embeddings()  # type: ignore[no-any-return]  # of transformers

    def _embedding(self, folder: Path, task: str, options: dict[str, Any]) -> Meta:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(
            str(folder), device="cpu", trust_remote_code=False, local_files_only=True, model_kwargs=options
        )
        self._tokenizer = self.model.tokenizer
        prompts = {name: text for name, text in self.model.prompts.items() if name in ("query", "document")}
        dimensions = int(self.model.get_embedding_dimension() or 0)
        return self._meta(task, int(self.model.max_seq_length or 512), {"dimensions": dimensions}, prompts)

    def _labels(self, folder: Path, task: str, options: dict[str, Any]) -> Meta:
        from transformers import (
            AutoConfig,
            AutoModelForSequenceClassification,
            AutoModelForTokenClassification,
            AutoTokenizer,
        )

        model_class = AutoModelForTokenClassification if task == "entities" else AutoModelForSequenceClassification
        common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        if self._base is None:
            self.model, report = model_class.from_pretrained(str(folder), output_loading_info=True, **common, **options)
            if report["missing_keys"]:
                raise InvalidModel(
                    f'the model in "{folder}" has no trained layer for {task}',
                    detail=f"Missing weights: {', '.join(sorted(report['missing_keys'])[:5])}.",
                    hint="Register it for the task it was trained for, or train it with llm_fit().",
                )
            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), **common)
        else:
            from peft import PeftModel

            weights = str(source.weights_folder(self._base))
            config = AutoConfig.from_pretrained(str(folder), **common)
            untrained = model_class.from_pretrained(
                weights, config=config, ignore_mismatched_sizes=True, **common, **options
            )
            self.model = PeftModel.from_pretrained(untrained, str(folder)).merge_and_unload()
            self._tokenizer = AutoTokenizer.from_pretrained(weights, **common)
            self._tokenizer.model_max_length = config.max_tokens
        config = self.model.config
        details = label_details(task, config.to_dict())
        if task == "ranking":
            if config.num_labels != 1:
                raise InvalidModel(
                    f'the model in "{folder}" has {config.num_labels} labels, and one that ranks has a single score',
                    hint="Register it for classification, or use a cross-encoder.",
                )
            details = {}
        return self._meta(task, longest_input(self._tokenizer, config), details)

    def _meta(self, task: str, longest: int, details: dict[str, Any], prompts: dict[str, str] | None = None) -> Meta:
        return Meta(task, _inputs(self._tokenizer), longest, _pad_id(self._tokenizer), details, prompts or {})


class NetworkWithStates(Network):
    """A network that embeds, with the states of the tokens beside the vectors."""

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The inputs in the order of `meta.inputs`."""
        return self.with_states(*inputs)


def longest_input(tokenizer: Any, config: Any) -> int:
    """Tokens that a transformer reads at once: at most 512, however many positions it has."""
    return min(int(tokenizer.model_max_length), int(getattr(config, "max_position_embeddings", 512)), 512)


def tokenization(tokenizer: Any, longest: int, task: str = "embedding") -> Tokenization:
    """The tokenizer of the tokenizers library behind one of transformers, for engines and trainings alike."""
    serialized = str(tokenizer.backend_tokenizer.to_str())
    return tokens.for_task(task, serialized, _inputs(tokenizer), longest, _pad_id(tokenizer))


def _inputs(tokenizer: Any) -> list[str]:
    """The names of the network's inputs, in order."""
    example = tokenizer("one text")
    return [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in example]


def _pad_id(tokenizer: Any) -> int:
    return int(tokenizer.pad_token_id or 0)
