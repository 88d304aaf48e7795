"""pg_llm: language models next to the data, called from plain SQL."""
