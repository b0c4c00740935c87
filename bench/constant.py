"""``python -m bench.constant PORT``: FastAPI routes that answer a constant, on the settings that Skyulf serves with."""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

app = FastAPI()

ONE = {"model": "bench", "model_version": 1, "predictions": [1], "probabilities": [{"0": 0.25, "1": 0.75}]}
MANY = {**ONE, "predictions": [1] * 1_000, "probabilities": [{"0": 0.2513874621, "1": 0.7486125379}] * 1_000}


@app.get("/live")
async def live() -> dict[str, str]:
    """Answer that it lives."""
    return {"status": "live"}


@app.post("/one")
async def one() -> dict[str, Any]:
    """Answer as for one row."""
    return ONE


@app.post("/many")
async def many() -> dict[str, Any]:
    """Answer as for a thousand rows."""
    return MANY


@app.post("/bytes/{count}")
async def some_bytes(count: int) -> Response:
    """Answer so many bytes, which nothing encodes."""
    return Response(bytes(count), media_type="application/octet-stream")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
