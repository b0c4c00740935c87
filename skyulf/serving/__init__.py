"""Deployments → loaded models → predictions.

What a deployment serves is read from the log's head (`deployed`): a roll-out holds for the request that follows it. A
model that has an ONNX copy is scored in the server (`copies`); any other is loaded and asked in a child process
(`host`), so that none can block the server or take it down. Either way bodies are read by the model's input schema, and
answers written, by `formats`.
"""

from skyulf.serving.service import Answer, PredictionService

__all__ = ["Answer", "PredictionService"]
