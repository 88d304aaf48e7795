# Removes what install.sh brought: extension, package, environment, models, and pgvector where it was built here.
# The cache folder stays: the demos and tests of all clones share it.
. "$ROOT/extension/setup/places.sh"
home=$INSTALLED

make -s -C "$ROOT/extension" uninstall BUILD="$(mktemp -du)" PG_CONFIG="$PG_CONFIG" >/dev/null
rm -f "$PG_SHARE"/extension/pg_llm--*.sql
if [ -e "$home/pgvector.pg$PG_MAJOR.files" ]; then
    xargs -d '\n' rm -f <"$home/pgvector.pg$PG_MAJOR.files"
    rmdir "$("$PG_CONFIG" --includedir-server)/extension/vector" 2>/dev/null || :
fi
[ ! -e "$home/site" ] || rm -f "$(cat "$home/site")/pg_llm.pth"
# Without the package no backend starts another host, so those that run are the last.
rm -rf "$home/python"
for signal in TERM KILL; do
    # shellcheck disable=SC2046
    set -- $(processes "$home")
    [ $# -gt 0 ] || break
    working "Model hosts and workers: ending $*"
    kill -s "$signal" "$@" 2>/dev/null || :
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$(processes "$home")" ] || break
        sleep 0.5
    done
done
rm -rf "$home" "$INSTALLED_MODELS"
# What stands in /etc/pg_llm was written by people.
rm -f "$WORKER_UNIT"
rmdir "/etc/pg_llm" 2>/dev/null || :
rmdir "${INSTALLED_MODELS%/*}" 2>/dev/null || :
say "pg_llm is removed. Databases that still hold it: DROP EXTENSION pg_llm CASCADE in each."
if [ -d "$CACHE" ]; then
    say "$CACHE ($(du -sh "$CACHE" | cut -f 1)) stays, for the demos and tests of clones; nothing else uses it."
fi
