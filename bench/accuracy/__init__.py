"""``python -m bench.accuracy``: models trained without a word of advice beside what a careful person would make."""
