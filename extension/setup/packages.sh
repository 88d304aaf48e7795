# PostgreSQL with PL/Python, make and Python's venv: asks the distribution for what is missing. pgvector.sh may want a compiler.
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
if ! "${PYTHON:=/usr/bin/python3}" -c 'import ensurepip, venv' 2>/dev/null; then
    want python3-venv
    [ "${PYTHON##*/}" = python3 ] || want "${PYTHON##*/}-venv"
fi
command -v make >/dev/null || want make

if [ -n "$missing" ]; then
    working "System packages: installing$missing (about 200 MB with a server; a minute or two)"
    # shellcheck disable=SC2086
    server_packages $missing
    . "$ROOT/extension/setup/places.sh"
fi

# Not part of a server: llama.cpp is built with GCC's OpenMP, whose library only a compiler would bring along.
if ! "$PYTHON" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then
    working "System packages: installing libgomp1, for language models"
    system_packages libgomp1
fi

[ "$PG_MAJOR" -ge 15 ] || fail "PostgreSQL 15 or newer is needed; $PG_CONFIG is version $PG_MAJOR"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "PL/Python here is built with $PYTHON; 3.11 or newer is needed"
