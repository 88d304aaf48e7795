"""`python -m pg_llm.worker ARGUMENTS` is `pg_llm worker ARGUMENTS`."""

import sys

from pg_llm.worker.command import main

sys.exit(main(["worker", *sys.argv[1:]]))
