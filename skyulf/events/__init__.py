"""The vocabulary of what can happen, and the log that it is written to."""
