"""Fine-tuning of a transformer, all weights or LoRA adapters (Hu 2021), for sequence or token classification."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from pg_llm.classify.host import bio_tags
from pg_llm.errors import InvalidInput
from pg_llm.models import source
from pg_llm.models.engine import Window
from pg_llm.models.network import longest_input, tokenization
from pg_llm.models.spec import IOB2
from pg_llm.runtime.training import checkpoints
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import bfloat16
from pg_llm.training.host.schedule import Schedule
from pg_llm.training.metrics import ClassificationMetrics

_Result = TypeVar("_Result")
# Texts that are labelled at a time.
_BATCH = 32
# The label that the loss of PyTorch leaves out.
_IGNORED = -100
_MEASURES = ("micro_f1", "macro_f1", "weighted_f1", "baseline_f1")
# A layer of one of many blocks: `encoder.layer.3.output.dense`.
_IN_BLOCK = re.compile(r"\.\d+\.")
# A training of fewer rows is done again as fast as it would be resumed.
_RESUMED_ROWS = 1000


class Transformer:
    """A base model with a new layer for the labels."""

    def __init__(
        self, base: Path, task: str, labels: Sequence[str], options: dict[str, Any], negative_label: str | None = None
    ) -> None:
        self._task = task
        # Stands for no label, and is not counted in the metrics.
        self._negative_label = negative_label
        self._options = options
        self._base = source.weights_folder(base)
        self.labels = bio_tags.tags(labels) if task == "entities" else list(labels)
        self._tokenizer = AutoTokenizer.from_pretrained(str(self._base), trust_remote_code=False, local_files_only=True)
        self._model = self._untrained()
        if not self._tokenizer.is_fast:
            raise InvalidInput("the base model has no fast tokenizer", hint="Choose another base model.")
        max_tokens = min(options["max_tokens"] or 512, longest_input(self._tokenizer, self._model.config))
        self._tokenizer.model_max_length = max_tokens
        self._tokens = tokenization(self._tokenizer, max_tokens)

    def train(
        self,
        training: list[Example],
        validation: list[Example],
        method: str,
        schedule: Schedule,
        scratch: Path,
        report: Report,
        is_poor: Callable[[int, float], bool] | None = None,
    ) -> dict[str, Any]:
        """The best epoch's metrics on the validation rows; its weights are restored (early stopping).

        `is_poor` is asked after each epoch, with its number and score, whether to go on is a waste.
        """
        items = self.windows(validation)
        measuring = {
            "eval_dataset": items,
            "compute_metrics": lambda predicted: self._metrics(validation, items, predicted.predictions),
        }
        if is_poor is not None:
            measuring["callbacks"] = [_PruningCallback(is_poor)]
        trainer = self._fit(training, method, schedule, scratch, report, measuring)
        evaluations = [entry for entry in trainer.state.log_history if "eval_score" in entry]
        # Of equals the last: where nothing was learnt yet, longer is better.
        best = max(evaluations, key=lambda entry: (entry["eval_score"], entry["epoch"]))
        epochs = [
            {"epoch": entry["epoch"], "loss": entry["eval_loss"], "score": entry["eval_score"]} for entry in evaluations
        ]
        return {**{name: best[f"eval_{name}"] for name in _MEASURES}, "best_epoch": best["epoch"], "epochs": epochs}

    def evaluate(self, examples: list[Example]) -> dict[str, float]:
        """The metrics on other rows."""
        items = self.windows(examples)
        collate = self._collator()
        logits: list[Any] = []
        self._model.eval()
        for start in range(0, len(items), _BATCH):
            batch = collate([dict(item) for item in items[start : start + _BATCH]])
            with torch.inference_mode():
                logits += list(self._model(**batch).logits.float().cpu().numpy())
        metrics = self._metrics(examples, items, logits)
        return {name: metrics[name] for name in _MEASURES}

    def refit(self, examples: list[Example], method: str, schedule: Schedule, scratch: Path, report: Report) -> None:
        """Train anew on all examples, to the end of the schedule and without measuring."""
        self._model = self._untrained()
        self._fit(examples, method, schedule, scratch, report, {})

    def adapt(
        self, examples: Sequence[Example], fit: Callable[[Any, Callable[[Any, list[int]], Any]], _Result]
    ) -> _Result:
        """Let `fit` train adapters, then merge them; it is given the module, and what makes logits of examples."""
        items, collate = self.windows(examples), self._collator()

        def forward(module: Any, numbers: list[int]) -> Any:
            batch = collate([items[number] for number in numbers])
            return module(**{name: values for name, values in batch.items() if name != "labels"}).logits

        self._add_adapters(merged=True)
        result = fit(self._model.train(), forward)
        self._model = self._model.merge_and_unload()
        return result

    def predict(self, examples: Sequence[Example]) -> list[set[tuple[str]]]:
        """The labels of each text, by its first window."""
        items, collate = self.windows(examples), self._collator()
        found = []
        for start in range(0, len(items), _BATCH):
            batch = collate(items[start : start + _BATCH])
            with torch.inference_mode():
                logits = self._model.eval()(**{name: each for name, each in batch.items() if name != "labels"}).logits
            for row in logits.numpy():
                best = [row.argmax()] if self._task == "classify" else np.flatnonzero(row > 0)
                found.append({(self.labels[number],) for number in best})
        return found

    def save(self, folder: Path, base_digest: str | None = None) -> None:
        """Configuration and safetensors, and the tokenizer; of adapters their weights alone, and whose they are."""
        if not isinstance(self._model, PeftModel):
            self._model.save_pretrained(folder)
            self._tokenizer.save_pretrained(folder)
            return
        self._model.config.max_tokens = self._tokenizer.model_max_length
        self._model.config.save_pretrained(folder)
        self._model.peft_config["default"].base_model_name_or_path = base_digest
        # They are as they were; peft would ask a hub whether they are.
        self._model.save_pretrained(folder, save_embedding_layers=False)

    def _untrained(self) -> Any:
        """The base model with a new layer, the same one every time."""
        torch.manual_seed(self._options["seed"])
        model_class = (
            AutoModelForTokenClassification if self._task == "entities" else AutoModelForSequenceClassification
        )
        model = model_class.from_pretrained(
            str(self._base),
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            num_labels=len(self.labels),
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            id2label=dict(enumerate(self.labels)),
            label2id={label: row for row, label in enumerate(self.labels)},
            problem_type="multi_label_classification" if self._task == "tag" else None,
        )
        if self._task == "entities":
            model.config.tag_scheme = IOB2
        return model

    def _fit(
        self,
        examples: list[Example],
        method: str,
        schedule: Schedule,
        scratch: Path,
        report: Report,
        measuring: dict[str, Any],
    ) -> Trainer:
        """Train; where the epochs are measured, stop early and restore the weights of the best."""
        if method == "lora":
            self._add_adapters()
        steps = schedule.epochs * math.ceil(len(examples) / schedule.batch_size)
        each_epoch = "epoch" if measuring else "no"
        callbacks = [EarlyStoppingCallback(schedule.patience)] if measuring else []
        callbacks += measuring.pop("callbacks", [])
        trainer = _Trainer(
            self._options.get("adversarial", 0.0),
            model=self._model,
            args=TrainingArguments(
                output_dir=str(scratch),
                seed=self._options["seed"],
                num_train_epochs=schedule.epochs,
                learning_rate=schedule.learning_rate,
                per_device_train_batch_size=schedule.batch_size,
                per_device_eval_batch_size=_BATCH,
                warmup_steps=int(self._options["warmup"] * steps),
                weight_decay=self._options["weight_decay"],
                label_smoothing_factor=self._options.get("label_smoothing", 0.0),
                bf16=bfloat16.is_native(),
                use_cpu=not torch.cuda.is_available(),
                eval_strategy=each_epoch,
                save_strategy=each_epoch,
                save_total_limit=1,
                save_only_model=len(examples) < _RESUMED_ROWS,
                load_best_model_at_end=bool(measuring),
                metric_for_best_model="score",
                greater_is_better=True,
                logging_steps=5,
                disable_tqdm=True,
                dataloader_pin_memory=False,
                label_names=["labels"],
                report_to=["tensorboard"] if os.environ.get("TENSORBOARD_LOGGING_DIR") else [],
            ),
            train_dataset=self.windows(examples),
            data_collator=self._collator(),
            callbacks=[*callbacks, _ProgressCallback(report)],
            **measuring,
        )
        _silence(trainer)
        checkpoint = checkpoints.last(scratch) if measuring else None
        trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        self._model = trainer.model
        return trainer

    def _add_adapters(self, *, merged: bool = False) -> None:
        """Adapters of the linear layers of each block, and the layers after the blocks, which are trained whole.

        Where all are merged at the end, of the latter only the new one is.
        """
        task_type = TaskType.TOKEN_CLS if self._task == "entities" else TaskType.SEQ_CLS
        rank = self._options["rank"]
        linear = [name for name, module in self._model.named_modules() if isinstance(module, torch.nn.Linear)]
        after = ["classifier", "score"] if merged else [name for name in linear if not _IN_BLOCK.search(name)]
        config = LoraConfig(
            task_type=task_type,
            r=rank,
            lora_alpha=2 * rank,
            lora_dropout=0.05,
            target_modules="all-linear",
            exclude_modules=after,
            modules_to_save=None if merged else after,
        )
        self._model = get_peft_model(self._model, config)

    def read_words(self, examples: Sequence[Example], report: Report) -> tuple[dict[int, list[Any]], list[Any]]:
        """What the untrained encoder makes of the words after each of its layers, and their tags, window by window.

        Raises InvalidInput for a model that has more than a linear layer on them.
        """
        if not isinstance(getattr(self._model, "classifier", None), torch.nn.Linear) or hasattr(self._model, "head"):
            raise InvalidInput("the base model takes no head for entities", hint="Use the method finetune or lora.")
        encoder = self._model.base_model.eval()
        items = self.windows(examples)
        states: dict[int, list[Any]] = {}
        for done, item in enumerate(items):
            report("reading", done, len(items))
            mask = np.asarray(item["labels"]) != _IGNORED
            inputs = {name: torch.tensor([item[name]]) for name in item if name != "labels"}
            with torch.inference_mode():
                _, *layers = encoder(**inputs, output_hidden_states=True).hidden_states
            for depth, layer in enumerate(layers, 1):
                if depth == len(layers) or self._stack() is not None:
                    states.setdefault(depth, []).append(layer[0].numpy()[mask])
        return states, [np.asarray([tag for tag in item["labels"] if tag != _IGNORED], dtype=int) for item in items]

    def cut(self, depth: int, weights: Any, bias: Any) -> None:
        """Leave the layers after that depth out, and tag words by a linear layer."""
        stack = self._stack()
        if stack is not None:
            del stack[depth:]
            self._model.config.num_hidden_layers = depth
        with torch.no_grad():
            self._model.classifier.weight.copy_(torch.from_numpy(weights.T))
            self._model.classifier.bias.copy_(torch.from_numpy(bias))

    def _stack(self) -> Any:
        """The layers of the encoder, where it is known how to leave some out."""
        return getattr(getattr(self._model.base_model, "encoder", None), "layer", None)

    def windows(self, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """The inputs and targets of the examples; of a text for entities each window, of another the first."""
        items = []
        for example, windows in zip(examples, self._tokens.encode([item.text for item in examples], 0), strict=True):
            for window in windows if self._task == "entities" else windows[:1]:
                ids, types = window.tokens
                item = {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": self._target(example, window)}
                if "token_type_ids" in self._tokenizer.model_input_names:
                    item["token_type_ids"] = types
                items.append(item)
        return items

    def _target(self, example: Example, window: Window) -> Any:
        if self._task == "classify":
            return self.labels.index(example.truth)
        if self._task == "tag":
            return [float(label in example.truth) for label in self.labels]
        tags = bio_tags.encode([span for span in window.spans if span], example.truth)
        numbers = iter(self.labels.index(tag) for tag in tags)
        return [next(numbers) if span else _IGNORED for span in window.spans]

    def _collator(self) -> Any:
        if self._task == "entities":
            return DataCollatorForTokenClassification(self._tokenizer, label_pad_token_id=_IGNORED)
        return DataCollatorWithPadding(self._tokenizer)

    def _metrics(self, validation: list[Example], items: list[dict[str, Any]], logits: Any) -> dict[str, float]:
        if self._task == "entities":
            targets = [np.asarray(item["labels"]) for item in items]
            masks = [target != _IGNORED for target in targets]
            metrics = self.span_metrics(
                [target[mask] for target, mask in zip(targets, masks, strict=True)],
                [row[: len(mask)][mask] for row, mask in zip(logits, masks, strict=True)],
            )
        else:
            metrics = ClassificationMetrics()
            for example, row in zip(validation, logits, strict=True):
                truth = [example.truth] if self._task == "classify" else example.truth
                best = [row.argmax()] if self._task == "classify" else np.flatnonzero(row > 0)
                predicted = [self.labels[number] for number in best]
                metrics.add(
                    *([(label,) for label in labels if label != self._negative_label] for labels in (truth, predicted))
                )
        summary = metrics.summary()
        by_label = self._task == "classify" and self._negative_label is None
        return {**summary, "score": summary["macro_f1" if by_label else "micro_f1"]}

    def span_metrics(self, targets: Sequence[Any], logits: Sequence[Any]) -> ClassificationMetrics:
        """The metrics of entities, from the tags of the words of each window and the logits of these."""
        metrics = ClassificationMetrics()
        for of_window, scores in zip(targets, logits, strict=True):
            words = [(number, number + 1) for number in range(len(of_window))]
            tags = [
                [self.labels[number] for number in path]
                for path in (of_window, bio_tags.most_probable(scores, self.labels))
            ]
            metrics.add(*(bio_tags.decode(of_side, words) for of_side in tags))
        return metrics


class _Trainer(Trainer):  # type: ignore[misc]  # the library has no types
    """Learns from each batch a second time, its word vectors moved to where the loss is greater.

    Adversarial training by the fast gradient method (Miyato, Dai and Goodfellow 2017): the step has the gradient's
    direction and a fixed length, 0 for none.
    """

    def __init__(self, step: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._step = step

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        loss = super().training_step(model, dict(inputs), num_items_in_batch)
        table = model.get_input_embeddings().weight
        if self._step and table.grad is not None and (length := float(table.grad.norm())) > 0 and math.isfinite(length):
            moved = self._step * table.grad / length
            table.data.add_(moved)
            super().training_step(model, dict(inputs), num_items_in_batch)
            table.data.sub_(moved)
        return loss


class _PruningCallback(TrainerCallback):  # type: ignore[misc]  # the library has no types
    """Ends a training that is not worth its time."""

    def __init__(self, is_poor: Callable[[int, float], bool]) -> None:
        self._is_poor = is_poor

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        if self._is_poor(round(state.epoch), metrics["eval_score"]):
            control.should_training_stop = True


class _ProgressCallback(TrainerCallback):  # type: ignore[misc]  # the library has no types
    """Reports epoch, step and loss."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._loss: float | None = None

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self._loss = (logs or {}).get("loss", self._loss)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        detail: dict[str, Any] = {"epoch": int(state.epoch or 0) + 1, "epochs": int(args.num_train_epochs)}
        if self._loss is not None:
            detail["loss"] = round(self._loss, 4)
        self._report("training", state.global_step, state.max_steps, **detail)


def _silence(trainer: Trainer) -> None:
    """Keep the library from printing: standard output carries reports and nothing else."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
