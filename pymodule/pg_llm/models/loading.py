"""From a spec to a loaded model: checks the files, then chooses the engine."""

from __future__ import annotations

import glob
import hashlib
import os
from dataclasses import replace

from pg_llm.errors import InvalidModel, ModelChanged
from pg_llm.models import source
from pg_llm.models.engine import EmbeddingEngine
from pg_llm.models.spec import ModelSpec, check_options


def load(spec: ModelSpec, threads: int) -> EmbeddingEngine:
    """The loaded model. Raises InvalidModel, ModelChanged or EndpointFailed."""
    model = _engine(spec, threads)
    own = {role: spec.options[f"{role}_prompt"] for role in ("query", "document") if f"{role}_prompt" in spec.options}
    model.prompts = {**model.prompts, **own}
    return model


def _engine(spec: ModelSpec, threads: int) -> EmbeddingEngine:
    if source.is_endpoint(spec.source):
        from pg_llm.models.endpoint import EndpointEmbedding

        return EndpointEmbedding(spec)
    folder = source.folder(spec)
    digest = source.digest(folder)
    if spec.digest and spec.digest != digest:
        raise ModelChanged(
            f'the files of model "{spec.name}" are not those that were registered',
            detail=f"Registered digest {spec.digest}, found {digest}.",
        )
    device = _device(spec)
    if spec.options.get("engine", "torch" if device == "cuda" else "onnx") == "torch":
        from pg_llm.models.torch import TorchEmbedding

        return TorchEmbedding(folder, device, threads)
    from pg_llm.models.export import exported
    from pg_llm.models.onnx import OnnxEmbedding

    return OnnxEmbedding(exported(folder, digest, spec.options.get("precision", "fp32")), threads)


def resolve(spec: ModelSpec) -> ModelSpec:
    """The spec with its digest filled in: of the files, or of the address for an endpoint."""
    check_options(spec.options)
    if source.is_endpoint(spec.source):
        return replace(spec, digest=hashlib.sha256(spec.source.encode()).hexdigest())
    return replace(spec, digest=source.digest(source.folder(spec)))


def weight(spec: ModelSpec) -> int:
    """Bytes of weights that loading will take, before loading; 0 for an endpoint."""
    if source.is_endpoint(spec.source):
        return 0
    sizes = [file.stat().st_size for file in source.folder(spec).rglob("*.safetensors")]
    return sum(sizes) // (4 if spec.options.get("precision") == "int8" else 1)


def _device(spec: ModelSpec) -> str:
    wanted = spec.options.get("device")
    # The driver's device files: asking torch would import it, seconds on a machine that has no GPU.
    present = bool(glob.glob("/dev/nvidia[0-9]*")) and os.environ.get("CUDA_VISIBLE_DEVICES") != ""
    if wanted == "cuda" and not present:
        raise InvalidModel(
            f'model "{spec.name}" is registered for CUDA, and this server has no CUDA device',
            hint="Register it without the option device to use what is there.",
        )
    return wanted or ("cuda" if present else "cpu")
