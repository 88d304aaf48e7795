"""AI columns: an expression over a table's columns whose values are kept in a companion table beside it."""
