"""What is wrong with a Dask cluster is said at the start, by the name of the setting and with what mends it."""

import importlib.util
import logging
from pathlib import Path

import pytest
from services.postgres import free_port

from skyulf.core.cluster import Cluster
from skyulf.errors import Misconfigured
from skyulf.runtime.cluster import cluster_of, complain
from skyulf.settings import Settings


def test_without_the_setting_there_is_none() -> None:
    assert cluster_of(Settings()) is None


def test_files_are_named_by_their_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.chdir(tmp_path)
    scheduler = f"tls://127.0.0.1:{free_port()}"
    settings = Settings(dask_scheduler=scheduler, dask_tls_cafile=Path("ca.pem"))
    assert cluster_of(settings) == Cluster(scheduler, str(tmp_path / "ca.pem"))


def test_dask_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match=r"^SKYULF_DASK_SCHEDULER: .* pip install 'skyulf\[dask\]'$"):
        cluster_of(Settings(dask_scheduler="tcp://127.0.0.1:8786"))


def test_a_scheduler_that_does_not_listen_is_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = f"tcp://127.0.0.1:{free_port()}"
    with caplog.at_level(logging.WARNING):
        complain(Cluster(scheduler))
    (line,) = [message for message in caplog.messages if scheduler in message]
    assert line.startswith(f"SKYULF_DASK_SCHEDULER: nobody answers at {scheduler} (")
    assert "until then tunings use the cores of this machine" in line.lower()
