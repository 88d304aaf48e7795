"""Private PostgreSQL servers for the demo, the tests and the benchmarks; no installed function needs them."""
