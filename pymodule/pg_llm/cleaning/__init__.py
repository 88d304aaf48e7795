"""Finding and repairing errors in the cells of a table: plain Python on columns of texts, no model and no database.

A detector is a module that says which cells look wrong and what they should hold; `proposals` weighs what they say.
"""
