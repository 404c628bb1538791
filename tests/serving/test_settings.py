"""Settings: from options, environment and a file, checked, and never told with a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from kneeoa.model.errors import ConfigError
from kneeoa.serving.settings import load_settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def test_without_any_configuration_it_listens_on_loopback_and_keeps_its_data_at_home(tmp_path: Path) -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.data == tmp_path / "home" / "kneeoa"
    assert settings.database_url is None
    assert settings.on_loopback
    assert settings.retention_days is None


def test_options_beat_the_environment_which_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kneeoa.yaml").write_text("port: 1001\nhost: 10.0.0.1\nretention_days: 30\nqueue: {high_films: 7}\n")
    monkeypatch.setenv("KNEEOA_PORT", "1002")
    monkeypatch.setenv("KNEEOA_LIMITS__INSTANCES", "9")
    settings = load_settings(tmp_path / "kneeoa.yaml", {"port": 1003, "host": None})
    assert (settings.port, settings.host, settings.retention_days) == (1003, "10.0.0.1", 30)
    assert (settings.queue.high_films, settings.limits.instances) == (7, 9)
    assert not settings.on_loopback
    assert load_settings(tmp_path / "kneeoa.yaml").port == 1002
    monkeypatch.setenv("KNEEOA_CONFIG", str(tmp_path / "kneeoa.yaml"))
    assert load_settings().retention_days == 30


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot: 80", "prot"),
        ("port: many", "port"),
        ("queue: {hihg_films: 3}", "hihg_films"),
        ("port: [", "cannot be read"),
        ("- 3", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_by_the_name_of_its_fault(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_settings(tmp_path / "wrong.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_settings(tmp_path / "none.yaml")


def test_no_secret_is_printed_or_told_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNEEOA_DATABASE_URL", "postgresql://knee:hunter2@127.0.0.1/knee")
    settings = load_settings()
    assert settings.database_url == SecretStr("postgresql://knee:hunter2@127.0.0.1/knee")
    assert "hunter2" not in settings.printable() + repr(settings)
    assert yaml.safe_load(settings.printable())["limits"]["instances"] == settings.limits.instances
    with pytest.raises(ConfigError) as wrong:
        load_settings(options={"database_url": {"password": "hunter2"}})
    assert "hunter2" not in str(wrong.value)
