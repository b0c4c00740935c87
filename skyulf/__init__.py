"""Skyulf: an MLOps backend for tabular machine learning whose database is its audit log."""
