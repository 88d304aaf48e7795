# All linters, and then the verdict: one run shows everything there is to mend.
. "$ROOT/extension/setup/places.sh"
verdict=0
check() {
    say "== $*"
    "$@" || verdict=1
}

check ruff check .
check ruff format --check --quiet .
check mypy
check lint-imports --cache-dir build/import-linter
# Two functions name everything in full, so that the planner can put them into queries.
check pgspot --ignore-lang plpython3u \
    --proc-without-search-path 'llm.relation_tree(root pg_catalog.regclass)' \
    --proc-without-search-path 'llm.relation_ancestors(part pg_catalog.regclass)' build/pg_llm--*.sql
for script in run .ci/run extension/setup/*.sh; do
    check sh -n "$script"
done
[ "$verdict" = 0 ] || fail "lint found something to mend"
say "lint: clean"
