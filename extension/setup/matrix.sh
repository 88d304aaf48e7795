# Runs the tests on other releases of Debian: matrix.sh [PYTEST ARGUMENTS]; MATRIX= names the releases, trixie by default.
# Each is a chroot in the cache folder that is kept: the first run downloads it, later ones only test. Runs as root.
. "$ROOT/extension/setup/places.sh"
matrix=$CACHE/matrix

# bootstrap SUITE FOLDER: the bare system, from the mirror that this machine has its own packages from.
bootstrap() {
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Origin: Debian" 2>/dev/null | head -n 1)
    [ -n "$mirror" ] || fail "./run matrix needs a Debian machine with package lists; run apt-get update, then this again"
    command -v debootstrap >/dev/null || apt_install debootstrap
    working "Debian $1: the bare system into $2 (about 260 MB and a minute)"
    rm -rf "$2.new"
    mkdir -p "$2.new"
    debootstrap --variant=minbase --include=ca-certificates,python3 "$1" "$2.new" "$mirror" >"$2.log" 2>&1 || {
        tail -n 20 "$2.log" >&2
        fail "debootstrap could not make Debian $1; all that it said is in $2.log"
    }
    # Packages start no services in here.
    printf '#!/bin/sh\nexit 101\n' >"$2.new/usr/sbin/policy-rc.d"
    chmod +x "$2.new/usr/sbin/policy-rc.d"
    mv "$2.new" "$2"
}

# copy_clone FOLDER: the working tree as it is, without what git ignores.
copy_clone() {
    rm -rf "$1"
    mkdir -p "$1"
    (cd "$ROOT" && git -c safe.directory="$ROOT" ls-files -z --cached --others --exclude-standard |
        xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\\0" "$file"; done' sh |
        tar -c --null --files-from=- --owner=0 --group=0) | tar -x -C "$1"
}

# inside FOLDER COMMAND: runs it in the chroot, in namespaces that end with this process.
inside() {
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mkdir -p "$matrix/pip" "$root/root/.cache/pip"
    mount --bind "$matrix/pip" "$root/root/.cache/pip"
    data=${PG_LLM_DATA:-$ROOT/../shared/data}
    if [ -d "$data" ]; then
        mkdir -p "$root/srv/shared/data"
        mount --bind -o ro "$data" "$root/srv/shared/data"
    fi
    # Not exec: this shell is process 1 in here, and reaps what the tests leave behind.
    env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ROOT=/srv/pg_llm \
        ${TERM:+"TERM=$TERM"} ${TORCH:+"TORCH=$TORCH"} ${CI:+"CI=$CI"} ${PIP_INDEX_URL:+"PIP_INDEX_URL=$PIP_INDEX_URL"} \
        ${OPENBLAS_CORETYPE:+"OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE"} \
        ${OPENBLAS_L2_SIZE:+"OPENBLAS_L2_SIZE=$OPENBLAS_L2_SIZE"} \
        chroot "$root" "$@"
}

# try LOG FOLDER COMMAND: the same from outside, with all that it prints in the log as well; fails where the command does.
try() {
    log=$1
    shift
    {
        status=0
        unshare --mount --pid --ipc --fork --kill-child -- sh "$ROOT/extension/setup/matrix.sh" --inside "$@" || status=$?
        echo "$status" >"$log.status"
    } 2>&1 9>&- | tee "$log"
    [ "$(cat "$log.status")" = 0 ]
}

# versions FOLDER: what the tests in the chroot ran on.
versions() {
    env -i PATH="$PATH" ROOT=/srv/pg_llm chroot "$1" \
        sh -c '. "$ROOT/extension/setup/places.sh"; "$PG_CONFIG" --version; "$PYTHON" -V; echo "torch: $(cat "$VENV/torch")"' \
        2>/dev/null | paste -sd, | sed 's/,/, /g'
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
    exit
fi

mkdir -p "$matrix"
exec 9>"$matrix/lock"
flock -n 9 || { working "Another ./run matrix is at work; waiting for its end"; flock 9; }
verdict=0
for suite in ${MATRIX:-trixie}; do
    root=$matrix/$suite/root
    mkdir -p "$matrix/$suite"
    [ -d "$root" ] || bootstrap "$suite" "$root"
    # As this machine resolves names, and whom it trusts.
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    copy_clone "$root/srv/pg_llm"
    working "Debian $suite: ./run test $* (kept in $matrix/$suite/tests.log)"
    word=passed
    try "$matrix/$suite/tests.log" "$root" /srv/pg_llm/run test "$@" || word=FAILED
    counts=$(grep -E '^=* ?[0-9].* in [0-9.]+s' "$matrix/$suite/tests.log" | tail -n 1 | tr -d = | sed 's/^ *//; s/ *$//')
    summary="Debian $suite ($(versions "$root")): tests $word${counts:+, $counts}"
    # A chroot may be installed into; with arguments only some tests were asked for.
    if [ $# = 0 ]; then
        working "Debian $suite: ./run setup and ./run setup --uninstall (kept in $matrix/$suite/setup.log)"
        word=passed
        try "$matrix/$suite/setup.log" "$root" sh /srv/pg_llm/extension/setup/trial.sh || word=FAILED
        summary="$summary; setup $word"
    fi
    case $summary in *FAILED*) verdict=1 ;; esac
    verdicts="${verdicts:+$verdicts
}matrix: $summary"
done
printf '%s\n' "$verdicts"
exit "$verdict"
