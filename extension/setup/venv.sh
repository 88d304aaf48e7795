# The model host's Python environment: venv.sh TARGET EXTRA... installs these extras of pyproject.toml into TARGET, `host` first;
# those that it holds already are kept. What trains comes with `training` only.
# TORCH= says which PyTorch that brings: cpu, cuda, general (the index's own build, with CUDA on most machines) or none.
. "$ROOT/extension/setup/places.sh"
target=${1:?the folder of the environment}
shift

mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9
# An interrupted set-up leaves no such line, and is then begun anew.
is_complete() { [ "$(cat "$1/.complete" 2>/dev/null)" = "$VENV_KEY" ]; }
has() { grep -qxF "$2" "$1/extras" 2>/dev/null; }
missing=
for extra in "$@"; do
    is_complete "$target" && has "$target" "$extra" || missing="$missing $extra"
done
if [ -z "$missing" ]; then
    touch "$target/.complete"
    exit 0
fi
wants() { case " $missing " in *" $1 "*) ;; *) false ;; esac; }

requirements() { "$PYTHON" "$ROOT/extension/setup/requirements.py" "$@"; }
pip() { "$target/bin/python" -m pip --disable-pip-version-check "$@"; }
# Says which large files come; all that pip says follows where it fails.
install() {
    log=$target/pip.log
    {
        status=0
        pip install --progress-bar off "$@" || status=$?
        echo "$status" >"$log.status"
    } 2>&1 | tee "$log" | sed -un \
        -e 's#^ *\(Downloading\|Using cached\) \([^ ]*/\)\{0,1\}\([^/ ]*\)-[^-/ ]*-[^-/ ]*-[^/ ]*\.whl (\([0-9.]* [MG]B\)).*#        \3: \4#p' \
        -e 's/^Installing collected packages.*/        unpacking/p' >&2
    [ "$(cat "$log.status")" = 0 ]
}
must_install() {
    install "$@" || {
        tail -n 30 "$log" >&2
        fail "pip could not install what is needed into $target"
    }
}

# What another environment of this machine holds is linked: ./run setup after ./run demo takes seconds and no room.
others_have_all() {
    is_complete "$VENV" || return 1
    for extra in $missing; do has "$VENV" "$extra" || return 1; done
}
if [ "$target" != "$VENV" ] && others_have_all; then
    working "Python packages: from $VENV into $target"
    rm -rf "$target"
    cp -al "$VENV" "$target" 2>/dev/null || { rm -rf "$target"; cp -a "$VENV" "$target"; }
    rm -f "$target/.complete"
    grep -rlIF "$VENV" "$target/bin" "$target/pyvenv.cfg" | xargs sed -i "s#$VENV#$target#g"
    if ! wants dev && has "$target" dev; then
        # shellcheck disable=SC2046
        pip -qq uninstall --yes $(requirements list dev | sed 's/[^A-Za-z0-9_.-].*//')
        # Another file: this one is linked.
        grep -vxF dev "$VENV/extras" >"$target/extras.new"
        mv "$target/extras.new" "$target/extras"
    fi
    printf '%s\n' "$VENV_KEY" >"$target/.complete"
    exit 0
fi

if is_complete "$target"; then
    rm -f "$target/.complete"
else
    rm -rf "$target"
    "$PYTHON" -m venv "$target"
fi
if wants host; then
    working "Python packages: onnxruntime, llama.cpp, spaCy and their like into $target (about 500 MB to download, 1.3 GB on disk; a minute or two)"
fi
if wants training; then
    working "Python packages: torch and what trains into $target (about 330 MB to download, 1.2 GB on disk; two to four minutes)"
fi

torch=$(requirements list torch)
# The lock holds for one Python, one processor and one build of PyTorch.
cpu="--no-deps $torch+cpu" locked=
if "$PYTHON" -c 'import platform, sys; sys.exit((sys.version_info[:2], platform.machine()) != ((3, 11), "x86_64"))'; then
    if requirements locked torch >"$target/torch.txt"; then
        cpu="--no-deps --require-hashes --requirement $target/torch.txt" locked=yes
    else
        say "    requirements.lock is out of date (./run lock): taking what the ranges of pyproject.toml allow"
    fi
fi
# PyTorch's build for the CPU. Fails where there is none for this Python, or its index is out of reach.
cpu_torch() {
    say "    torch for the CPU: about 190 MB"
    index=
    pip index versions torch 2>/dev/null | grep -qF " ${torch#torch==}+cpu," ||
        index="--retries 1 --timeout 20 --extra-index-url https://download.pytorch.org/whl/cpu"
    # shellcheck disable=SC2086
    install $index $cpu
}

if wants training; then
    case ${TORCH:-} in
    '')
        if [ -e /dev/nvidiactl ]; then
            TORCH=cuda
        elif cpu_torch; then
            TORCH=cpu
        else
            TORCH=none
            say "    no build of torch for the CPU is to be had here for $("$PYTHON" -V): going on without it, since the general"
            say "    build brings 3 GB of CUDA. Trained heads work without; fine-tuning, recommenders and predictions in graphs"
            say "    need it. TORCH=general ./run ... takes the general build."
        fi
        ;;
    cpu) cpu_torch || fail "no build of $torch for the CPU is to be had here; TORCH=general takes the general one, TORCH=none none" ;;
    cuda | general | none) ;;
    *) fail "TORCH=$TORCH is none of: cpu, cuda, general, none" ;;
    esac
    case $TORCH in
    cuda | general)
        say "    torch with CUDA: about 3 GB to download"
        must_install "$torch"
        ;;
    esac
    echo "$TORCH" >"$target/torch"
fi

without=
[ "$(cat "$target/torch" 2>/dev/null)" != none ] || without=--without-torch
case $(cat "$target/torch" 2>/dev/null) in
cuda | general | none) lock_holds= ;;
*) lock_holds=$locked ;;
esac
# shellcheck disable=SC2086
if [ -n "$lock_holds" ]; then
    say "    in the versions of requirements.lock"
    requirements locked $missing >"$target/requirements.txt"
    must_install --no-deps --require-hashes --requirement "$target/requirements.txt"
else
    requirements list $without $missing >"$target/requirements.txt"
    must_install --requirement "$target/requirements.txt"
fi
if wants host; then
    if [ -n "$lock_holds" ]; then from=locked; else from=list; fi
    requirements "$from" models >"$target/models.txt"
    must_install --no-deps ${lock_holds:+--require-hashes} --requirement "$target/models.txt"
fi
rm -f "$log" "$log.status"
for extra in $missing; do echo "$extra"; done >>"$target/extras"
printf '%s\n' "$VENV_KEY" >"$target/.complete"
# Environments of requirements that no clone has asked for in a month.
find "$(dirname "$target")" -mindepth 2 -maxdepth 2 -name .complete -mtime +30 -printf '%h\n' | xargs -r rm -rf
