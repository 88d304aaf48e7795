"""Models: what the registry says of one, where its files are, how it is loaded, and the cache that holds it."""
