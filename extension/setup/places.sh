# Where things lie, and three words to talk with. Sourced by ./run and by every script beside this one.
set -eu
umask 022
: "${ROOT:?start this through ./run}"

say() { printf '%s\n' "$*" >&2; }
# STEP is set by ./run, so that a long set-up says how far it is.
working() { say "${STEP:+[$STEP] }$*"; }
fail() { say "pg_llm: $*"; exit 1; }

is_root() { [ "$(id -u)" = 0 ]; }
as_root() {
    if is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        fail "needs root (there is no sudo here); run as root: $*"
    fi
}
# Prints only where it fails: apt and the packages' own scripts have much to say.
apt_install() {
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends "$@" >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get could not install $*"; }
    rm -f "$log"
}
system_packages() {
    command -v apt-get >/dev/null || fail "missing here, and there is no apt-get to install it: $*"
    as_root apt-get -qq update
    apt_install "$@"
}
# Asks the distribution for packages of the server that is here, or is to come.
server_packages() {
    case ${PG_BIN:-/usr/lib/postgresql/} in
    /usr/lib/postgresql/*) ;;
    *) fail "missing for the PostgreSQL of $PG_CONFIG (what Debian calls $*); add it to that installation" ;;
    esac
    system_packages "$@"
}
# Numbers of the processes that run from an installation: model hosts, trainings.
processes() {
    for process in /proc/[0-9]*; do
        case $(tr '\0' ' ' 2>/dev/null <"$process/cmdline") in
        "$1/venv/bin/python"*) echo "${process#/proc/}" ;;
        esac
    done 2>/dev/null
}
# The working folder may be closed to the server's user.
as_server() {
    if is_root; then
        (cd / && runuser -u "$SERVER_USER" -- "$@")
    else
        (cd / && "$@")
    fi
}

INSTALLED=/opt/pg_llm
INSTALLED_MODELS=/var/lib/pg_llm/models
WORKER_UNIT=/etc/systemd/system/pg_llm-worker@.service
if is_root; then
    SERVER_USER=${SERVER_USER:-postgres}
    CACHE=/var/cache/pg_llm
else
    SERVER_USER=$(id -un)
    CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pg_llm
fi
# Exported models of the demo, the tests and the benchmarks; what ./run setup installs has its own beside the server.
MODELS=$CACHE/models
CLONE=$CACHE/clone/$(printf %s "$ROOT" | sha256sum | cut -c 1-12)
STAGE=$CLONE/stage
DEMO=$CLONE/demo
DOCUMENTS=$CACHE/documents/packages.csv

# The newest server that is here, unless PG_CONFIG= chooses; empty where there is none yet.
if [ -z "${PG_CONFIG:-}" ]; then
    for PG_MAJOR in 18 17 16 15; do
        [ ! -x "/usr/lib/postgresql/$PG_MAJOR/bin/postgres" ] || break
    done
    PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
    [ -x "${PG_CONFIG%/*}/postgres" ] || PG_CONFIG=$(command -v pg_config || :)
fi
export PG_CONFIG
if [ -x "${PG_CONFIG:-}" ]; then
    PG_MAJOR=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    PG_BIN=$("$PG_CONFIG" --bindir)
    PG_LIB=$("$PG_CONFIG" --pkglibdir)
    PG_SHARE=$("$PG_CONFIG" --sharedir)
    # The interpreter that PL/Python itself is linked with: engine 'backend' loads the same binary wheels.
    PYTHON=$(ldd "$PG_LIB/plpython3.so" 2>/dev/null | sed -n 's/.*libpython\(3\.[0-9]*\).*/python\1/p' | head -n 1)
    PYTHON=${PYTHON:+/usr/bin/$PYTHON}
fi
# Where there is no server, what needs none can still be run.
[ -x "${PYTHON:-}" ] || PYTHON=/usr/bin/python3
if [ -x "${PYTHON:-}" ]; then
    # One environment per Python, list of requirements and lock, shared by all clones.
    VENV_KEY=$({
        sed -n '/^\[project.optional-dependencies\]/,/^\[tool/p' "$ROOT/pyproject.toml"
        sed '/^#/d' "$ROOT/extension/setup/requirements.lock"
        "$PYTHON" -VV
        printf %s "${TORCH:-}"
    } | sha256sum | cut -c 1-12)
    VENV=$CACHE/venv/$VENV_KEY
fi
