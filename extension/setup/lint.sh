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
check pgspot --ignore-lang plpython3u build/pg_llm--*.sql
for script in run .ci/run extension/setup/*.sh; do
    check sh -n "$script"
done
[ "$verdict" = 0 ] || fail "lint found something to mend"
say "lint: clean"
