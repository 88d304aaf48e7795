"""Text to SQL: link a question to a schema, parse it, build candidate queries, run them, and vote on their results.

`grammar` is plain Python on the standard library and knows no particular database; the modules beside it read the
database, and `host` runs where the models are.
"""
