"""Configurations: plain YAML, one schema, and errors that name the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneeoa.configs.schema import load_config
from kneeoa.model.errors import ConfigError


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("data: {root: knees}\nepochs: 3\n")
    return path


def test_an_override_goes_through_the_schema(config_file: Path) -> None:
    config = load_config(config_file, ["optimizer.learning_rate=1e-4", "network.weights=none", "epochs=7"])
    assert config.optimizer.learning_rate == 1e-4
    assert config.network.weights == "none"
    assert config.epochs == 7


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("epoch=3", "epoch"),
        ("optimizer.lr=1", "optimizer.lr"),
        ("epochs=0", "epochs"),
        ("network.dropout=2", "network.dropout"),
        ("data.format=zip", "data.format"),
        ("epochs.more=1", "epochs"),
        ("epochs", "epochs"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(config_file: Path, override: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        load_config(config_file, [override])


def test_a_file_that_is_missing_or_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="mapping"):
        load_config(tmp_path / "list.yaml")
