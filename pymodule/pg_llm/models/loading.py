"""Loading: checks a model's files against the registry, then chooses the engine."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pg_llm import errors, processor
from pg_llm.errors import Error, InvalidInput, InvalidModel, ModelChanged
from pg_llm.models import gguf, source
from pg_llm.models.engine import EmbeddingEngine, Engine
from pg_llm.models.personal_data import Find, Finder
from pg_llm.models.spec import TASKS, ModelSpec, check_options

log = logging.getLogger(__name__)

Get = Callable[[ModelSpec], Engine]


def load_reporting_errors(spec: ModelSpec, threads: int, get: Get, finder: Finder | None = None) -> Engine:
    """As `load`, with the libraries' exceptions as InvalidModel, OutOfMemory, DiskFull or ModelFilesMissing."""
    with _reporting_errors(spec):
        return load(spec, threads, get, finder)


@contextlib.contextmanager
def _reporting_errors(spec: ModelSpec) -> Iterator[None]:
    """Raise an error of ours for what a library raises: damaged files, or a lack of memory or disk space."""
    try:
        yield
    except (InvalidModel, ModelChanged):
        # The files of a model that was trained here can be restored from the database.
        source.discard_damaged(spec)
        raise
    except Error:
        raise
    except Exception as error:
        log.exception("model %s cannot be loaded", spec.name)
        message = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        raise errors.resource_error(message) or InvalidModel(
            f'model "{spec.name}" cannot be loaded: {message}',
            hint="Its files may be damaged: install or copy them again, or train the model again.",
        ) from error


def load(spec: ModelSpec, threads: int, get: Get, finder: Finder | None = None) -> Engine:
    """The loaded model; `get` gives a model that it builds on, `finder` what keeps personal data from an endpoint.

    Raises InvalidModel, ModelChanged or EndpointFailed.
    """
    if source.is_endpoint(spec.source):
        model = _endpoint(spec, _find(spec, finder))
    else:
        folder = source.folder(spec)
        digest = source.digest(folder)
        if spec.digest and spec.digest != digest:
            raise ModelChanged(
                f'the files of model "{spec.name}" are not those that were registered',
                detail=f"Registered digest {spec.digest}, found {digest}.",
            )
        # The registry, never a file of the model, decides what kind of model is loaded.
        if spec.task == "recommendation":
            model = _recommender(folder, threads)
        elif spec.task == "graph":
            model = _graph(spec, folder)
        elif spec.base and source.is_adapter(folder):
            model = _adapter(spec, ModelSpec.from_wire(spec.base), folder, digest, threads, get)
        elif spec.base:
            model = _head(spec, ModelSpec.from_wire(spec.base), folder, get)
        elif (folder / "head.json").exists() and not (spec.task == "embedding" and source.is_encoder(folder)):
            raise InvalidModel(
                f'model "{spec.name}" is a head, and the registry does not say of which model',
                hint="Train it here with llm_fit(): a head is not registered from files.",
            )
        elif source.is_adapter(folder):
            # The library would look for the model that the files name.
            raise InvalidModel(
                f'model "{spec.name}" is adapters, and the registry does not say of which model',
                hint="Train them here with llm_fit(), or merge them into their model and register that.",
            )
        elif source.is_static(folder):
            model = _static(spec, folder)
        elif source.is_pipeline(folder):
            model = _pipeline(spec, folder)
        elif source.is_lexer(folder):
            model = _lexer(spec, folder, threads)
        elif spec.task == "generation":
            model = _causal(spec, folder, threads)
        elif gguf.files(folder):
            model = _encoder(spec, folder, threads)
        else:
            model = _transformer(spec, folder, digest, threads)
    if spec.task == "relations":
        model.details = {**model.details, "ends": source.argument_types(source.folder(spec))}
    if spec.task == "embedding":
        roles = ("query", "document")
        prompts = {role: spec.options[f"{role}_prompt"] for role in roles if f"{role}_prompt" in spec.options}
        embedding = cast(EmbeddingEngine, model)
        embedding.prompts = {**embedding.prompts, **prompts}
    return model


def describe(model: Engine) -> dict[str, Any]:
    """Engine, device and bytes of weights of a loaded model, and the details that depend on its task."""
    return {"engine": model.engine, "device": model.device, "bytes": model.bytes, **model.details}


def resolve(spec: ModelSpec) -> ModelSpec:
    """The spec with its digest filled in: of the files, or of the address for an endpoint."""
    if spec.task not in TASKS:
        raise InvalidInput(f'there is no task "{spec.task}"', hint=f"Tasks are: {', '.join(TASKS)}.")
    check_options(spec.options)
    if "redact_before" in spec.options and not source.is_endpoint(spec.source):
        raise InvalidInput(
            "option redact_before is of endpoints: what this model reads stays on the server",
            hint="Leave it out; llm_redact() gives texts without personal data.",
        )
    if "replicas" in spec.options and not source.is_endpoint(spec.source):
        raise InvalidInput(
            "option replicas is of endpoints: this model runs in the model host",
            hint="Leave it out, or register the address of a server as the source.",
        )
    if source.is_endpoint(spec.source):
        return replace(spec, digest=hashlib.sha256(spec.source.encode()).hexdigest())
    folder = source.folder(spec)
    spec = replace(spec, digest=source.digest(folder))
    if "precision" not in spec.options and _has_choice_of_precision(spec, folder):
        # Written down, as a model must give the same vectors on every machine and after every update.
        spec = replace(spec, options={**spec.options, "precision": _best_precision(spec, folder)})
    return spec


def forget(spec: ModelSpec) -> None:
    """Remove the files and exports of a model that was trained here."""
    if spec.source.startswith("database:") and spec.digest:
        source.discard(spec.digest)


def weight(spec: ModelSpec) -> int:
    """Bytes of weights that loading will take, before loading; 0 for an endpoint."""
    if source.is_endpoint(spec.source):
        return 0
    with _reporting_errors(spec):
        folder = source.folder(spec)
    # Mapped as they are.
    if quantised := gguf.files(folder):
        return sum(file.stat().st_size for file in quantised)
    # In int8 too: a table of tokens' vectors, the most of a small encoder, stays as it is.
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def _has_choice_of_precision(spec: ModelSpec, folder: Path) -> bool:
    """Whether it is an encoder that onnxruntime runs."""
    is_network = any(folder.rglob("*.safetensors")) and not source.is_static(folder)
    return spec.task == "embedding" and is_network and _is_run_by_onnx(spec)


def _best_precision(spec: ModelSpec, folder: Path) -> str:
    """int8 where the processor is fast at it and the vectors agree with those of fp32, else fp32."""
    from pg_llm.models.export import ensure_exported

    if processor.has_vnni():
        try:
            ensure_exported(folder, spec.digest or "", spec.task, "int8")
        except InvalidModel as error:
            log.info("model %s stays in fp32: %s", spec.name, error.message)
        else:
            return "int8"
    return "fp32"


def _head(spec: ModelSpec, base: ModelSpec, folder: Path, get: Get) -> Engine:
    if spec.task == "relations":
        from pg_llm.models.pairs import PairModel

        return PairModel(folder, base, get)
    from pg_llm.models.head import HeadModel

    return HeadModel(folder, base, get)


def _adapter(spec: ModelSpec, base: ModelSpec, folder: Path, digest: str, threads: int, get: Get) -> Engine:
    """Adapters beside an encoder that many share, or merged into weights of their own."""
    from pg_llm.models import bert

    of_base = source.folder(base)
    if not _is_run_by_onnx(spec) or not bert.is_supported(of_base, "adapted"):
        return _transformer(spec, folder, digest, threads, of_base)
    from pg_llm.models.adapter import AdapterModel

    encoder = replace(base, task="adapted", options={"engine": "onnx", "device": "cpu"})
    return AdapterModel(folder, _network_task(spec), encoder, get)


def _recommender(folder: Path, threads: int) -> Engine:
    from pg_llm.models.recommender import RecommenderModel

    return RecommenderModel(folder, threads)


def _graph(spec: ModelSpec, folder: Path) -> Engine:
    if not spec.source.startswith("database:"):
        raise InvalidModel("the model of a graph is kept in the database and nowhere else")
    from pg_llm.models.graph import GraphModel

    return GraphModel(folder)


def _static(spec: ModelSpec, folder: Path) -> Engine:
    if spec.task != "embedding":
        raise InvalidModel(f"static embeddings cannot do {spec.task}", hint="Register them with the task embedding.")
    from pg_llm.models.static import StaticModel

    return StaticModel(folder)


def _pipeline(spec: ModelSpec, folder: Path) -> Engine:
    if spec.task != "entities":
        raise InvalidModel(f"a spaCy pipeline cannot do {spec.task}", hint="Register it with the task entities.")
    from pg_llm.models.spacy import SpacyModel

    return SpacyModel(folder)


def _lexer(spec: ModelSpec, folder: Path, threads: int) -> Engine:
    if spec.task != "entities":
        raise InvalidModel(f"a lexer of Chinese cannot do {spec.task}", hint="Register it with the task entities.")
    from pg_llm.models.lac import LexerModel

    try:
        return LexerModel(folder, threads)
    except (KeyError, ValueError) as error:
        raise InvalidModel(f"the vocabularies of the lexer are not what they should be: {error}") from error


def _find(spec: ModelSpec, finder: Finder | None) -> Find | None:
    """What finds that which the endpoint is not to get. Raises InvalidModel where it needs that and there is none."""
    wanted = spec.options.get("redact_before")
    if not wanted:
        return None
    if finder is None or spec.redactors is None:
        raise InvalidModel(f'model "{spec.name}" is sent redacted texts only, and nothing here redacts them')
    redactors = {name: ModelSpec.from_wire(wire) for name, wire in spec.redactors.items()}
    return finder(None if wanted is True else wanted, redactors)


def _endpoint(spec: ModelSpec, find: Find | None) -> Engine:
    if spec.task not in ("embedding", "generation", "ranking"):
        raise InvalidModel(
            f"an endpoint cannot do {spec.task}", hint="Register it with the task embedding, generation or ranking."
        )
    if spec.task == "generation":
        from pg_llm.models.endpoint.chat import EndpointGeneration

        return EndpointGeneration(spec, find)
    from pg_llm.models.endpoint.batches import EndpointEmbedding, EndpointRanking

    return EndpointEmbedding(spec, find) if spec.task == "embedding" else EndpointRanking(spec, find)


def _causal(spec: ModelSpec, folder: Path, threads: int) -> Engine:
    if gguf.files(folder):
        from pg_llm.models.llama.generation import LlamaGeneration

        return LlamaGeneration(spec, folder, threads)
    from pg_llm.models.causal import CausalModel

    return CausalModel(folder, _device(spec), threads)


def _encoder(spec: ModelSpec, folder: Path, threads: int) -> Engine:
    if spec.task != "embedding":
        raise InvalidModel(
            f"a GGUF file cannot do {spec.task} here",
            hint="Register it with the task generation, or an encoder with the task embedding.",
        )
    from pg_llm.models.llama.embedding import LlamaEmbedding

    return LlamaEmbedding(spec, folder, threads)


def _transformer(spec: ModelSpec, folder: Path, digest: str, threads: int, base: Path | None = None) -> Engine:
    device, task = _device(spec), _network_task(spec)
    if not _is_run_by_onnx(spec):
        from pg_llm.models.torch import TorchModel

        return TorchModel(folder, task, device, threads, base)
    from pg_llm.models import onnx
    from pg_llm.models.export import ensure_exported

    precision = spec.options.get("precision", "fp32")
    return onnx.load(ensure_exported(folder, digest, task, precision, base), threads)


def _network_task(spec: ModelSpec) -> str:
    """Relation extraction is classification of texts in which two entities are marked."""
    return "classification" if spec.task == "relations" else spec.task


def _is_run_by_onnx(spec: ModelSpec) -> bool:
    return bool(spec.options.get("engine", "torch" if _device(spec) == "cuda" else "onnx") == "onnx")


def _device(spec: ModelSpec) -> str:
    device = spec.options.get("device")
    # The driver's device files: importing torch to find out would take seconds on a machine that has no GPU.
    present = bool(glob.glob("/dev/nvidia[0-9]*")) and os.environ.get("CUDA_VISIBLE_DEVICES") != ""
    if device == "cuda" and not present:
        raise InvalidModel(
            f'model "{spec.name}" is registered for CUDA, and this server has no CUDA device',
            hint="Register it without the option device to use what is there.",
        )
    return device or ("cuda" if present else "cpu")
