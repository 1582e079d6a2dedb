"""The benchmarks, one file each: `run(notebook)` writes down what it reads."""
