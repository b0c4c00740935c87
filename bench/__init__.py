"""Benchmarks that print both sides and their ratio, measured side by side in one run: ``python -m bench``."""
