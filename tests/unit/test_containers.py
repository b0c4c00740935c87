"""The files for containers name settings, roles and commands that there are; Docker itself is not run."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from skyulf.cli.app import app
from skyulf.settings import Settings

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"SKYULF_([A-Z0-9_]+)")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
OURSELVES = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "skyulf"}
ASKED_FOR = {"POSTGRES_PASSWORD", "S3_KEY", "S3_SECRET"}
"""What compose.yaml asks of who uses it; it gives them to servers, and in URLs."""


def known_settings() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", ["compose.yaml", "Dockerfile"])
def test_every_setting_that_is_named_is_one(name: str) -> None:
    named = set(OURS.findall((ROOT / name).read_text(encoding="utf-8")))
    assert named
    assert named <= known_settings() | ASKED_FOR


@pytest.mark.parametrize("service", OURSELVES)
def test_every_service_runs_a_command_that_there_is(service: str) -> None:
    words = shlex.split(OURSELVES[service]["command"])
    answer = CliRunner().invoke(app, [*words, "--help"])
    assert answer.exit_code == 0, answer.output


def test_each_role_has_a_service_of_its_name() -> None:
    roles = {name: shlex.split(service["command"]) for name, service in OURSELVES.items() if name != "migrate"}
    assert roles == {role: ["serve", "--role", role] for role in ("api", "projector", "relay", "webhooks", "worker")}


def test_no_password_stands_in_the_file() -> None:
    for name, service in COMPOSE["services"].items():
        for variable, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|ACCESS_KEY", variable):
                assert value.startswith("${"), f"{variable} of {name}"


def test_only_the_api_is_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"]}
