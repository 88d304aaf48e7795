"""Streams: records from a log are written to a table, each exactly once, with the offsets in the same transaction."""
