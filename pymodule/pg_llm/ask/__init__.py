"""Questions to SELECTs: what a question mentions, what it asks of that, and the query that says the same.

Plain Python on the standard library; nothing knows any particular database.
"""
