# All linters, and then the verdict: one run shows everything there is to mend.
. "$ROOT/extension/setup/places.sh"
verdict=0
check() {
    say "== $*"
    "$@" || verdict=1
}

check ruff check pymodule tests setup.py extension
check ruff format --check pymodule tests setup.py extension
check mypy
check lint-imports --cache-dir build/import-linter
check pgspot --sql-accepting format --ignore PS000 build/pg_llm--*.sql
for script in run .ci/run extension/setup/*.sh; do
    check sh -n "$script"
done
[ "$verdict" = 0 ] || fail "lint found something to mend"
say "lint: clean"
