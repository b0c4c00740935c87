"""Settings: the only file that reads the environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from skyulf.errors import Misconfigured

GIB = 1 << 30


class Settings(BaseSettings):
    """What an operator can set, each as ``SKYULF_<NAME>`` in the environment.

    Sizes are in bytes, times in seconds. The URLs choose adapters by their scheme; without them everything is kept
    under the data directory.
    """

    model_config = SettingsConfigDict(env_prefix="SKYULF_", frozen=True, extra="ignore")

    data_dir: Path = Path(".skyulf")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    database_url: str = ""
    kafka_bootstrap: str = ""
    artifacts_url: str = ""
    artifact_cache_bytes: Annotated[int, Field(ge=0)] = 10 * GIB
    uri_roots: str | None = None
    """URIs, parted by blanks, below which datasets may be read; by default the bucket of ``artifacts_url``, if any."""
    worker_slots: Annotated[int, Field(ge=1, le=256)] = 1
    training_threads: Annotated[int, Field(ge=1)] = 2
    job_seconds: Annotated[int, Field(ge=1)] = 3600
    job_memory_bytes: Annotated[int, Field(ge=GIB // 4)] = 4 * GIB
    upload_bytes: Annotated[int, Field(ge=1)] = 2 * GIB
    body_bytes: Annotated[int, Field(ge=1024)] = 32 << 20
    predict_seconds: Annotated[float, Field(gt=0)] = 10.0
    key_requests_per_second: Annotated[float, Field(ge=1)] = 1000.0
    """How often one access key may be used; as many requests may come at once after a pause."""
    api_key: SecretStr = SecretStr("")
    """The key that the command line sends to a server which demands one."""
    position_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long a query waits for ``min_position`` before it answers 503."""


def load_settings(**overrides: object) -> Settings:
    """The settings from the environment, and above them those ``overrides`` that are not None.

    Raises `Misconfigured` naming the setting that is wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "SKYULF_" + "_".join(str(part) for part in first["loc"]).upper()
        raise Misconfigured(f"{name}: {first['msg']}") from error
