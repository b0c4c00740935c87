"""Settings: the only file that reads the environment."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from skyulf.errors import Misconfigured

GIB = 1 << 30


class Settings(BaseSettings):
    """What an operator can set, each as ``SKYULF_<NAME>`` in the environment.

    Sizes are in bytes, times in seconds. The URLs choose adapters by their scheme; without them everything is kept
    under the data directory.
    """

    model_config = SettingsConfigDict(env_prefix="SKYULF_", frozen=True, extra="ignore")

    role: Literal["all", "api", "projector", "relay", "webhooks", "worker"] = "all"
    """What ``skyulf serve`` does in its process; all but ``all`` works beside other processes on one Postgres."""
    data_dir: Path = Path(".skyulf")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    database_url: str = ""
    artifacts_url: str = ""
    artifact_cache_bytes: Annotated[int, Field(ge=0)] = 10 * GIB
    uri_roots: str | None = None
    """URIs, parted by blanks, below which datasets may be read; by default the bucket of ``artifacts_url``, if any."""
    worker_slots: Annotated[int, Field(ge=1, le=256)] = 1
    training_threads: Annotated[int, Field(ge=1)] = 2
    dask_scheduler: str = ""
    """A Dask cluster that scores the trials of tunings, ``tcp://host:port`` or ``tls://host:port`` (docs/tuning.md);
    without it the worker's machine does."""
    dask_tls_cafile: Path | None = None
    dask_tls_certfile: Path | None = None
    dask_tls_keyfile: Path | None = None
    lease_seconds: Annotated[float, Field(ge=1, le=60)] = 8.0
    """How long a job that runs stays with its worker after a last sign of that; only workers on Postgres give any."""
    drain_seconds: Annotated[float | None, Field(ge=0)] = None
    """How long jobs may go on once a process is asked to end; by default 20 for the role worker, and 0 for all."""
    job_seconds: Annotated[int, Field(ge=1)] = 3600
    job_memory_bytes: Annotated[int, Field(ge=GIB // 4)] = 4 * GIB
    upload_bytes: Annotated[int, Field(ge=1)] = 2 * GIB
    body_bytes: Annotated[int, Field(ge=1024)] = 32 << 20
    predict_seconds: Annotated[float, Field(gt=0)] = 10.0
    prediction_log_seconds: Annotated[float, Field(gt=0)] = 300.0
    """From one part of a deployment's log of predictions to the next, where it is logged (docs/profile.md)."""
    key_requests_per_second: Annotated[float, Field(ge=1)] = 1000.0
    """How often one access key may be used; as many requests may come at once after a pause."""
    log_format: Literal["text", "json"] = "text"
    """How the server writes its log on stderr: for people, or one JSON object a line (docs/production.md)."""
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    queue_length: Annotated[int, Field(ge=1)] = 10_000
    """So many jobs may wait; one more is refused with 503."""
    api_key: SecretStr = SecretStr("")
    """The key that the command line sends to a server which demands one."""
    position_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long a query waits for ``min_position`` before it answers 503."""

    rebuilds_at_once: Annotated[int, Field(ge=1)] = 4
    """So many projections are rebuilt at the same time, in one pass over the log; the others wait for their turn."""

    signing_key: Path | None = None
    """The file with the key that checkpoints of the log are signed with (docs/audit.md); by default ``signing.key`` in
    the data directory, made with the first seal."""
    checkpoints_url: str = ""
    """Where checkpoints are published outside the database, ``file:///FOLDER`` or ``s3://bucket/prefix``; by default
    the folder ``checkpoints`` in the data directory."""
    checkpoints_topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$")] = ""
    """A topic of Kafka in which checkpoints are published as well; needs ``kafka_bootstrap``."""
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 60.0
    """From one checkpoint to the next, if anything has happened."""

    webhook_hosts: str = "public"
    """Where webhooks may go, parted by blanks: ``public`` (addresses of the internet), hosts, and networks such as
    ``10.0.0.0/8``, whatever their addresses (docs/webhooks.md)."""
    webhook_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    """How long a receiver may take to answer one delivery."""

    kafka_bootstrap: str = ""
    """Brokers as ``host:port,host:port``; with it, events are published there and wake the workers (docs/kafka.md)."""
    kafka_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "skyulf"
    kafka_partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    kafka_replication: Annotated[int, Field(ge=0, le=100)] = 0
    kafka_retention_hours: Annotated[int, Field(ge=0)] = 0
    kafka_message_bytes: Annotated[int, Field(ge=64 << 10, le=90 << 20)] = 8 << 20
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_ssl_cafile: Path | None = None
    kafka_ssl_certfile: Path | None = None
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_key_password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _kafka_is_whole(self) -> Self:
        """Refuse what can only fail later: who is to log in with nothing, or files that are not there."""
        sasl = {name: getattr(self, name) for name in ("kafka_sasl_mechanism", "kafka_sasl_username")}
        sasl["kafka_sasl_password"] = self.kafka_sasl_password.get_secret_value()
        if self.kafka_security_protocol.startswith("SASL_"):
            for name, value in sasl.items():
                if not value:
                    protocol = f"SKYULF_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}"
                    raise Misconfigured(f"{variable(name)}: it is needed with {protocol}")
        elif any(sasl.values()):
            raise Misconfigured(
                f"SKYULF_KAFKA_SECURITY_PROTOCOL: {self.kafka_security_protocol} logs nobody in; "
                "with SKYULF_KAFKA_SASL_… set it to SASL_SSL, or to SASL_PLAINTEXT on a network that you trust"
            )
        self._files_are_there("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile")
        return self

    @model_validator(mode="after")
    def _dask_is_whole(self) -> Self:
        """Refuse what is no address of a scheduler, and files that are not there, or that nobody would look at."""
        address = re.fullmatch(r"(tcp|tls)://(?:\[[0-9A-Fa-f:]+\]|[^\s/@:]+):(\d{1,5})", self.dask_scheduler)
        if self.dask_scheduler and (address is None or not 0 < int(address[2]) < 1 << 16):
            raise Misconfigured("SKYULF_DASK_SCHEDULER: it is tcp://host:port, or tls://host:port")
        names = ("dask_tls_cafile", "dask_tls_certfile", "dask_tls_keyfile")
        self._files_are_there(*names)
        for name in names:
            if getattr(self, name) is not None and not self.dask_scheduler.startswith("tls://"):
                raise Misconfigured(f"{variable(name)}: it is of use only with SKYULF_DASK_SCHEDULER=tls://host:port")
        return self

    def _files_are_there(self, *names: str) -> None:
        for name in names:
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise Misconfigured(f"{variable(name)}: there is no file {path}")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"SKYULF_{name.upper()}"


def load_settings(**overrides: object) -> Settings:
    """The settings from the environment, and above them those ``overrides`` that are not None.

    Raises `Misconfigured` naming the setting that is wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = variable("_".join(str(part) for part in first["loc"]))
        raise Misconfigured(f"{name}: {first['msg']}") from error
