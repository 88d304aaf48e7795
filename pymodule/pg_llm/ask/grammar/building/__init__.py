"""Build a query, and its cost, from a parsed question and one interpretation of its mentions."""
