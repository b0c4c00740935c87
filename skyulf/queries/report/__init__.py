"""The auditor's file: all that the log knows of a version of a model, with proofs, as one document."""
