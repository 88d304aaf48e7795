# PostgreSQL with PL/Python and its build files, a compiler and Python's venv: asks the distribution for what is missing.
. "$ROOT/extension/setup/places.sh"

missing=
want() { missing="$missing $*"; }

if [ ! -x "${PG_BIN:-}/postgres" ]; then
    # None here yet: the major version that the distribution prefers.
    if ! PG_MAJOR=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1) ||
        [ -z "$PG_MAJOR" ]; then
        command -v apt-get >/dev/null ||
            fail "no PostgreSQL server here, and no apt-get; install PostgreSQL 15 to 18 and give its pg_config as PG_CONFIG="
        working "System packages: refreshing the list"
        as_root apt-get -qq update
        PG_MAJOR=$(apt-cache depends postgresql | sed -n 's/.*postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1)
    fi
    want "postgresql-$PG_MAJOR"
fi
[ -e "${PG_LIB:-}/plpython3.so" ] && [ -e "$PG_SHARE/extension/jsonb_plpython3u.control" ] ||
    want "postgresql-plpython3-$PG_MAJOR"
# The headers tell: Debian's server package brings the makefiles of PGXS without them.
[ -x "${PG_CONFIG:-}" ] && [ -e "$("$PG_CONFIG" --includedir-server)/postgres.h" ] ||
    want "postgresql-server-dev-$PG_MAJOR"
"${PYTHON:-/usr/bin/python3}" -c 'import ensurepip, venv' 2>/dev/null || want "${PYTHON:+${PYTHON##*/}-venv}" python3-venv
command -v make >/dev/null || want make
command -v cc >/dev/null || want gcc libc6-dev

if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "missing here, and there is no apt-get to install it:$missing"
    case ${PG_BIN:-/usr/lib/postgresql/} in
    /usr/lib/postgresql/*) ;;
    *) fail "missing for the PostgreSQL of $PG_CONFIG (what Debian calls$missing); add it to that installation" ;;
    esac
    working "System packages: installing$missing (about 300 MB with a server and a compiler)"
    as_root apt-get -qq update
    # shellcheck disable=SC2086
    apt_install $missing
    . "$ROOT/extension/setup/places.sh"
fi

[ "$PG_MAJOR" -ge 15 ] || fail "PostgreSQL 15 or newer is needed; $PG_CONFIG is version $PG_MAJOR"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "PL/Python here is built with $PYTHON; 3.11 or newer is needed"
