# Installs pg_llm into the PostgreSQL of PG_CONFIG, for every cluster of that version. Runs as root; uninstall.sh undoes it.
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
sh "$ROOT/extension/setup/venv.sh" "$home/venv" host

working "pg_llm: installing into $PG_SHARE and $home"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
make -s -C "$ROOT/extension" install BUILD="$build" PG_CONFIG="$PG_CONFIG" >/dev/null
sh "$ROOT/extension/setup/package.sh" "$home/python" "$home/venv" "$INSTALLED_MODELS"
# PL/Python reads this at the start of each session.
"$PYTHON" -c 'import site; print(site.getsitepackages()[0])' >"$home/site"
mkdir -p "$(cat "$home/site")"
echo "$home/python" >"$(cat "$home/site")/pg_llm.pth"
PYTHONPATH=$home/python sh "$ROOT/extension/setup/model.sh" "$home/venv" "$INSTALLED_MODELS"

say "pg_llm is installed for $("$PG_CONFIG" --version). In a database, as superuser:"
say "    CREATE EXTENSION pg_llm CASCADE;"
