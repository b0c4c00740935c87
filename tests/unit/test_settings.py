"""Settings of Kafka that can only fail are refused by name, at once."""

from pathlib import Path

import pytest

from skyulf.errors import Misconfigured
from skyulf.settings import load_settings

LOGIN = {
    "kafka_bootstrap": "broker:9092",
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "SCRAM-SHA-512",
    "kafka_sasl_username": "skyulf",
    "kafka_sasl_password": "a-secret",
}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kafka_security_protocol": "TLS"}, "SKYULF_KAFKA_SECURITY_PROTOCOL"),
        ({"kafka_sasl_mechanism": "GSSAPI"}, "SKYULF_KAFKA_SASL_MECHANISM"),
        ({"kafka_sasl_mechanism": ""}, "SKYULF_KAFKA_SASL_MECHANISM"),
        ({"kafka_sasl_username": ""}, "SKYULF_KAFKA_SASL_USERNAME"),
        ({"kafka_sasl_password": ""}, "SKYULF_KAFKA_SASL_PASSWORD"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "SKYULF_KAFKA_SECURITY_PROTOCOL"),
        ({"kafka_ssl_cafile": "/nowhere/ca.pem"}, "SKYULF_KAFKA_SSL_CAFILE"),
        ({"dask_scheduler": "127.0.0.1:8786"}, "SKYULF_DASK_SCHEDULER"),
        ({"dask_scheduler": "tcp://host"}, "SKYULF_DASK_SCHEDULER"),
        ({"dask_scheduler": "tcp://host:70000"}, "SKYULF_DASK_SCHEDULER"),
        ({"dask_scheduler": "ucx://host:8786"}, "SKYULF_DASK_SCHEDULER"),
        ({"dask_scheduler": "tls://host:8786", "dask_tls_keyfile": "/nowhere/key.pem"}, "SKYULF_DASK_TLS_KEYFILE"),
        ({"dask_scheduler": "tcp://host:8786", "dask_tls_cafile": __file__}, "SKYULF_DASK_TLS_CAFILE"),
        ({"kafka_prefix": "a/b"}, "SKYULF_KAFKA_PREFIX"),
        ({"kafka_partitions": 0}, "SKYULF_KAFKA_PARTITIONS"),
        ({"kafka_message_bytes": 10}, "SKYULF_KAFKA_MESSAGE_BYTES"),
    ],
)
def test_what_cannot_work_is_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(Misconfigured, match=f"^{named}: ") as refusal:
        load_settings(**{**LOGIN, **changes})
    assert "a-secret" not in str(refusal.value)


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    settings = load_settings(**LOGIN, kafka_ssl_cafile=ca, kafka_ssl_key_password="another-secret")
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()
