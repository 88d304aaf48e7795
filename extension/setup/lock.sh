# Writes requirements.lock: the versions that pip chooses today for the reference installation, each with its hash.
. "$ROOT/extension/setup/places.sh"
lock=$ROOT/extension/setup/requirements.lock

[ "$("$PYTHON" -c 'import platform, sys; print(sys.version_info[:2], platform.machine())')" = "(3, 11) x86_64" ] ||
    fail "the lock is made for Python 3.11 on x86_64 (Debian 12); this is $("$PYTHON" -V) on $(uname -m)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
requirements() { "$PYTHON" "$ROOT/extension/setup/requirements.py" "$@"; }
"$PYTHON" -m venv "$work/venv"
pip() { "$work/venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pip -qq install --upgrade pip

torch=$(requirements list torch)+cpu
index=
pip index versions torch 2>/dev/null | grep -qF " ${torch#torch==}," ||
    index=--extra-index-url=https://download.pytorch.org/whl/cpu
# resolve EXTRA REQUIREMENT...: nothing is installed.
resolve() {
    working "Requirements: resolving $1"
    report=$work/$1.json
    shift
    # shellcheck disable=SC2086
    pip -qq install --dry-run --ignore-installed --only-binary :all: $index --report "$report" "$@" ||
        fail "pip finds no set of versions that fits; the lines above say why"
}
requirements list host >"$work/host.txt"
requirements list training >"$work/training.txt"
requirements list dev >"$work/dev.txt"
requirements list models >"$work/models.txt"
requirements list ray >"$work/ray.txt"
# Together first: an installation has the versions that are tested.
resolve dev "$torch" --requirement "$work/host.txt" --requirement "$work/training.txt" --requirement "$work/dev.txt"
requirements lock dev="$work/dev.json" | sed 's/ --hash=.*//' >"$work/together.txt"
resolve torch --constraint "$work/together.txt" "$torch"
resolve host --constraint "$work/together.txt" --requirement "$work/host.txt"
resolve training --constraint "$work/together.txt" "$torch" --requirement "$work/host.txt" --requirement "$work/training.txt"
resolve ray --constraint "$work/together.txt" --requirement "$work/ray.txt"
resolve models --no-deps --requirement "$work/models.txt"
requirements lock host="$work/host.json" torch="$work/torch.json" training="$work/training.json" dev="$work/dev.json" \
    models="$work/models.json" ray="$work/ray.json" >"$work/lock"
mv "$work/lock" "$lock"
chmod 644 "$lock"
say "$(grep -c -- --hash "$lock") packages are locked in $lock"
