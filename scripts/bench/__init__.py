"""Benchmarks: Containet beside what one would pick instead, in one run on one machine. `scripts/bench.sh --help`."""
