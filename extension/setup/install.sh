# install.sh [training]: pg_llm into the PostgreSQL of PG_CONFIG, for every cluster of that version. Runs as root; uninstall.sh
# undoes it.
. "$ROOT/extension/setup/places.sh"
home=$INSTALLED
vector=$CACHE/pgvector/pg$PG_MAJOR

id "$SERVER_USER" >/dev/null 2>&1 || fail "there is no user $SERVER_USER; name the one that the server runs as: SERVER_USER=..."
if [ -d "$vector" ]; then
    working "pgvector: installing into $PG_SHARE"
    cp -R "$vector/." /
    mkdir -p "$home"
    find "$vector" -type f ! -name .complete -printf '/%P\n' >"$home/pgvector.pg$PG_MAJOR.files"
    rm -f /.complete
fi
sh "$ROOT/extension/setup/venv.sh" "$home/venv" host "$@"

working "pg_llm: installing into $PG_SHARE and $home"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
make -s -C "$ROOT/extension" install BUILD="$build" PG_CONFIG="$PG_CONFIG" >/dev/null
sh "$ROOT/extension/setup/package.sh" "$home/python" "$home/venv" "$INSTALLED_MODELS"
# PL/Python reads this at the start of each session.
"$PYTHON" -c 'import site; print(site.getsitepackages()[0])' >"$home/site"
mkdir -p "$(cat "$home/site")"
echo "$home/python" >"$(cat "$home/site")/pg_llm.pth"
# The command, and the unit of workers where there is systemd; none of them is started.
mkdir -p "$home/bin"
cat >"$home/bin/pg_llm" <<END
#!/bin/sh
PYTHONPATH=$home/python exec $home/venv/bin/python -P -c 'import sys; from pg_llm.worker.command import main; sys.exit(main())' "\$@"
END
chmod 755 "$home/bin/pg_llm"
if [ -d "${WORKER_UNIT%/*}" ]; then
    sed "s#@HOME@#$home#g" "$ROOT/extension/setup/pg_llm-worker@.service" >"$WORKER_UNIT"
    mkdir -p /etc/pg_llm
    chmod 700 /etc/pg_llm
fi
PYTHONPATH=$home/python sh "$ROOT/extension/setup/model.sh" "$home/venv" "$INSTALLED_MODELS"

say "pg_llm is installed for $("$PG_CONFIG" --version). In a database, as superuser:"
say "    CREATE EXTENSION pg_llm CASCADE;"
