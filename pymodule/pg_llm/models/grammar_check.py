"""Whether llguidance can use a grammar: python -m pg_llm.models.grammar_check, with the grammar on standard input.

In a process whose time and memory are limited: a schema of three lines can take all there is of both.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from pg_llm.installation import PACKAGE, installation

# Seconds of the processor, and bytes.
_TIME, _MEMORY = 3, 1 << 30
TOO_MUCH = f"It takes more than {_TIME} seconds or {_MEMORY >> 20} MB to read."


def problem(grammar: str) -> str | None:
    """What is wrong with the grammar; None for one that can be used."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
    checked = subprocess.run(
        [installation().python, "-m", __name__],
        input=grammar.encode("utf-8", "replace"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**inherited, "PYTHONPATH": str(PACKAGE.parent)},
        start_new_session=True,
        check=False,
    )
    if checked.returncode:
        return TOO_MUCH
    return checked.stdout.decode("utf-8", "replace") or None


def main() -> None:
    """Write what is wrong, or nothing."""
    for limit, most in ((resource.RLIMIT_CPU, _TIME), (resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    from llguidance import LLMatcher

    sys.stdout.write(LLMatcher.validate_grammar(sys.stdin.read()))


if __name__ == "__main__":
    main()
