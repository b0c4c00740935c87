"""The machine-learning engine: a declarative pipeline in, a fitted, evaluated and fingerprinted model out."""
