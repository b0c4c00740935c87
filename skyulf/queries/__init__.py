"""The read side: a repository per noun gives rows to whoever asks, with no SQL above it."""
