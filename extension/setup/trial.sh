# Installs pg_llm into the system, uses it in a cluster of its own and uninstalls it: ./run matrix does so in its chroots.
. "$ROOT/extension/setup/places.sh"
"$ROOT/run" setup

folder=$(mktemp -d)
chown "$SERVER_USER" "$folder"
server() { as_server "$PG_BIN/pg_ctl" --pgdata "$folder/data" --silent --wait "$@"; }
sql() { as_server "$PG_BIN/psql" --host "$folder" --dbname postgres -XAtq -v ON_ERROR_STOP=1 -c "$1"; }
trap 'server --mode immediate stop >/dev/null 2>&1 || :; rm -rf "$folder"' EXIT
as_server "$PG_BIN/initdb" --pgdata "$folder/data" --auth trust --no-sync >/dev/null
server --log "$folder/log" --options "-k $folder -c listen_addresses=" start
sql "CREATE EXTENSION pg_llm CASCADE" 2>/dev/null
[ "$(sql "SELECT vector_dims(llm_embed('a text'))")" = 384 ] || fail "what is installed does not embed"
[ -n "$(processes "$INSTALLED")" ] || fail "no model host runs from $INSTALLED"

"$ROOT/run" setup --uninstall
[ -z "$(processes "$INSTALLED")" ] || fail "after uninstalling a model host goes on"
for path in "$INSTALLED" "$INSTALLED_MODELS" "$PG_SHARE/extension/pg_llm.control"; do
    [ ! -e "$path" ] || fail "after uninstalling there still is $path"
done
[ -e "$VENV/.complete" ] || fail "uninstalling has taken the environment that clones share"
sql "DROP EXTENSION pg_llm CASCADE" 2>/dev/null
say "setup and setup --uninstall: passed"
