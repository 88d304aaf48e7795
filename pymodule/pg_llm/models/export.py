"""Export of models to ONNX, one per model and precision, kept in the cache under the model's digest.

    python -m pg_llm.models.export --source package:NAME/path --cache FOLDER [--precision int8]

Runs in a process of its own, so that the model host never imports torch for a model on the CPU. A BERT that embeds or
ranks needs no torch for its export either.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pg_llm import errors, file_locks, parent_death
from pg_llm.errors import Error, InvalidModel, OutOfMemory
from pg_llm.installation import installation
from pg_llm.models import bert, manifest, ready_graph, source
from pg_llm.models.spec import ModelSpec

if TYPE_CHECKING:
    from pg_llm.models.network import Network

# Increment whenever an export of the same model would come out different.
FORMAT = 6
_SCRATCH = ".export-"
# Minimal cosine similarity of the model's and the export's outputs, the mean over the texts.
_MIN_COSINE = {"fp32": 0.9999, "int8": 0.99, "int4": 0.95}
# Of several languages and kinds, and of unequal length, to include the effect of padding.
_TEXTS = (
    "one text",
    "another text, and a longer one, so that the first is padded beside it",
    "",
    "Delivery took two weeks, the box was damaged, and nobody answered my e-mails.",
    "The wing's boundary layer becomes turbulent where the pressure rises, and the drag grows with it.",
    "ERROR 2026-03-01 12:00:07 connection to 10.0.0.12:5432 refused (attempt 3 of 5)",
    "SELECT name, sum(price) FROM item GROUP BY name ORDER BY 2 DESC",
    "How do I reset my password?",
    "Der Vertrag wird zum Jahresende gekündigt, wenn keine Partei widerspricht.",
    "El museo abre de martes a domingo, excepto los días festivos.",
    "Le conseil municipal a voté le budget de la nouvelle bibliothèque.",
    "量子计算机利用叠加和纠缠来解决某些问题。",
    "Пациент жалуется на боль в правом колене после падения.",
    "Patients who were given the drug recovered sooner than those who were not, but the difference was small. " * 4,
)


def ensure_exported(folder: Path, digest: str, task: str, precision: str, base: Path | None = None) -> Path:
    """The folder of the export, made if it is missing or damaged. Raises InvalidModel, OutOfMemory, DiskFull.

    `base` is the folder of the model that adapters in `folder` are merged into.
    """
    cache = source.exports(folder)
    target = _target(cache, digest, task, precision)
    if manifest.is_whole(target):
        return target
    pymodule = Path(__file__).resolve().parents[2]
    command = [installation().python, "-m", "pg_llm.models.export", "--folder", str(folder), "--digest", digest]
    of_base = ["--base", str(base)] if base else []
    done = subprocess.run(
        [*command, *of_base, "--cache", str(cache), "--task", task, "--precision", precision],
        env={**os.environ, "PYTHONPATH": str(pymodule)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == -signal.SIGKILL:
        raise OutOfMemory("the export of the model was killed, as happens where memory runs out")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if shortage := errors.resource_error(last):
            raise shortage
        raise InvalidModel(
            f'cannot export the model in "{folder}" to ONNX: {last}',
            hint='Register it with options => \'{"engine": "torch"}\' to run it without an export.',
        )
    return target


def export(folder: Path, digest: str, task: str, precision: str, cache: Path, base: Path | None = None) -> Path:
    """Write the export of the model in `folder` below `cache`, in place of a damaged one; atomic, safe to race."""
    target = _target(cache, digest, task, precision)
    if manifest.is_whole(target):
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with file_locks.exclusive(cache):
        _remove_abandoned(cache)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=cache))
        lock = file_locks.acquire(scratch, wait=True)
    try:
        _write(folder, scratch, task, precision, base)
        manifest.write(scratch)
        with file_locks.exclusive(cache):
            # Another process may have made it meanwhile; a whole one may be in use and is never replaced.
            if not manifest.is_whole(target):
                if target.exists():
                    os.rename(target, scratch / "damaged")
                    shutil.rmtree(scratch / "damaged")
                os.rename(scratch, target)
    finally:
        os.close(lock)
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _remove_abandoned(cache: Path) -> None:
    """Remove the scratch folders of exports that were killed: nobody holds their locks."""
    for scratch in cache.glob(f"{_SCRATCH}*"):
        try:
            lock = file_locks.acquire(scratch)
        except BlockingIOError:
            continue
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _target(cache: Path, digest: str, task: str, precision: str) -> Path:
    return cache / f"{digest}-{task}-{precision}-{FORMAT}"


def _write(folder: Path, scratch: Path, task: str, precision: str, base: Path | None) -> None:
    if task in ("adapted", "embedding", "ranking") and bert.is_supported(folder, task):
        bert.write(folder, scratch, task)
        _quantize(scratch, precision)
        return
    if not base and (graph := ready_graph.find(folder, task)):
        ready_graph.write(folder, graph, scratch)
        _quantize(scratch, precision)
        return
    import torch

    from pg_llm.models.network import Network, NetworkWithStates

    # Eager attention exports to plain matrix products: 15 % faster here on onnxruntime than the fused form.
    network = (NetworkWithStates if task == "embedding" else Network)(folder, task, attention="eager", base=base)
    meta, tokens = network.meta, network.tokenization()
    (scratch / "tokenizer.json").write_text(network.serialized_tokenizer(), encoding="utf-8")
    (scratch / "meta.json").write_text(json.dumps(meta.to_json(), indent=1))
    example = tokens.padded([windows[0] for windows in tokens.encode(["one text", "another, longer text"])])
    batch, sequence = torch.export.Dim("batch", max=1 << 16), torch.export.Dim("sequence", max=meta.max_tokens)
    with torch.no_grad():
        torch.onnx.export(
            network,
            tuple(torch.from_numpy(example[name]) for name in meta.inputs),
            scratch / "model.onnx",
            dynamo=True,
            verbose=False,
            input_names=meta.inputs,
            output_names=["output", "states"] if task == "embedding" else ["output"],
            external_data=False,
            dynamic_shapes=(tuple({0: batch, 1: sequence} for _ in meta.inputs),),
        )
    _verify(scratch, network)
    _quantize(scratch, precision)


def _verify(scratch: Path, network: Network) -> None:
    """Raise InvalidModel for an export whose outputs differ from the network's."""
    import torch

    tokens, expected = network.tokenization(), []
    for windows in tokens.encode(_TEXTS):
        alone = tokens.padded(windows[:1])
        with torch.no_grad():
            # The first row of a batch of one, or the first of two outputs.
            expected.append(network(*(torch.from_numpy(alone[name]) for name in network.meta.inputs))[0].numpy())
    _compare(expected, _outputs(scratch), "fp32")


def _quantize(scratch: Path, precision: str) -> None:
    """Turn an export in fp32 into int8 or int4, and write down how well both agree. Raises InvalidModel."""
    if precision == "fp32":
        return
    from pg_llm.models import quantization, weight_quantization

    expected = _outputs(scratch)
    (quantization if precision == "int8" else weight_quantization).quantize(scratch)
    meta = json.loads((scratch / "meta.json").read_text(encoding="utf-8"))
    meta["cosine"] = round(_compare(expected, _outputs(scratch), precision), 4)
    (scratch / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _outputs(scratch: Path) -> Any:
    """The export's outputs for the texts, padded in one batch."""
    from pg_llm.models.onnx import OnnxModel

    made = OnnxModel(scratch, threads=0)
    return made.forward([windows[0] for windows in made.encode(_TEXTS)])


def _compare(expected: Sequence[Any], found: Sequence[Any], precision: str) -> float:
    """The mean cosine similarity of the outputs. Raises InvalidModel where it is too low."""
    import numpy as np

    if len(found[0].ravel()) == 1:
        # Single numbers have no direction of their own.
        expected, found = ([np.concatenate([row.ravel() for row in rows])] for rows in (expected, found))
    cosines = []
    for wanted, output in zip(expected, found, strict=True):
        first, second = wanted.ravel(), output.ravel()[: wanted.size]
        cosines.append(first @ second / (np.linalg.norm(first) * np.linalg.norm(second) or 1))
    cosine = float(np.mean(cosines))
    if not cosine >= _MIN_COSINE[precision]:
        raise InvalidModel(f"the {precision} export differs from the model: cosine similarity {cosine:.4f}")
    return cosine


def main() -> int:
    """Command line of the export."""
    parser = argparse.ArgumentParser(prog="python -m pg_llm.models.export", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--source", help="a model source, as llm_register_model takes it")
    where.add_argument("--folder", type=Path, help="a folder with the model's files")
    parser.add_argument("--base", type=Path, help="the folder of the model that adapters are merged into")
    parser.add_argument("--revision")
    parser.add_argument("--digest", help="the digest of the folder, where it is known")
    parser.add_argument("--cache", type=Path, default=Path(installation().cache))
    parser.add_argument(
        "--task",
        choices=("adapted", "embedding", "classification", "entities", "generation", "ranking"),
        default="embedding",
    )
    parser.add_argument("--precision", choices=tuple(_MIN_COSINE), default="fp32")
    args = parser.parse_args()
    if args.folder:
        # The host that started this process ends: the next host starts the export again.
        parent_death.die_with(os.getppid())
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    # The last line of standard error is the error message, so no progress bar may follow it.
    os.environ.update(HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1")
    try:
        folder = args.folder or source.folder(ModelSpec("export", args.task, args.source, args.revision))
        print(export(folder, args.digest or source.digest(folder), args.task, args.precision, args.cache, args.base))
    except Error as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
