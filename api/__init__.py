"""The HTTP surface of Skyulf, and nothing else."""
