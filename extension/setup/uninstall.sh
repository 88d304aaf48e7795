# Removes what install.sh brought: extension, package, environment, models, and pgvector where it was built here.
. "$ROOT/extension/setup/places.sh"
home=/opt/pg_llm

make -s -C "$ROOT/extension" uninstall BUILD="$(mktemp -du)" PG_CONFIG="$PG_CONFIG" >/dev/null
rm -f "$PG_SHARE"/extension/pg_llm--*.sql
if [ -e "$home/pgvector.pg$PG_MAJOR.files" ]; then
    xargs -d '\n' rm -f <"$home/pgvector.pg$PG_MAJOR.files"
    rmdir "$("$PG_CONFIG" --includedir-server)/extension/vector" 2>/dev/null || :
fi
[ ! -e "$home/site" ] || rm -f "$(cat "$home/site")/pg_llm.pth"
rm -rf "$home" "$MODELS" "$CACHE/pgvector/pg$PG_MAJOR"
rmdir "$CACHE/pgvector" "$CACHE" 2>/dev/null || :
say "pg_llm is removed. Databases that still hold it: DROP EXTENSION pg_llm CASCADE in each."
