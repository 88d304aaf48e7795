"""Work in the background: a queue of rows that changed, claimed in batches, tried again, given up as dead letters."""
