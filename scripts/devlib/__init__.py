"""What the scripts, the tests and the benchmarks share; standard library only."""
