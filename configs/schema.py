"""The one schema of training configurations: plain YAML, unknown keys refused, overrides checked the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kneeoa.model.errors import ConfigError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AttributionConfig(_Section):
    """Whose work the data are: it goes into `release.json` word for word."""

    name: str
    reference: str
    licence: str
    note: str = ""


Accepted = Literal["leak", "exact_duplicate", "near_duplicate", "unreadable", "constant"]
"""Findings of `datasets.checks` that forbid training unless they are accepted by name."""


class DataConfig(_Section):
    """Where the graded knees are.

    `root` is a folder of splits for `folders`, a CSV or Parquet file for `table`, and for `oai` and `most` the table of
    pictures that `datasets.cohort_films` describes; their readings are in `readings`, widths in `widths`.
    """

    format: Literal["folders", "table", "oai", "most"] = "folders"
    root: Path
    readings: tuple[Path, ...] = ()
    widths: tuple[Path, ...] = ()
    projects: tuple[str, ...] = Field(default=(), description="reading projects of the OAI to keep; all where empty")
    train_split: str = "train"
    folds: int = Field(default=0, ge=0, le=50, description="of a cross-validation by subject; 0 trains once")
    fold: int | None = Field(default=None, ge=0, description="which of them judges; None trains each in turn")
    accept: tuple[Accepted, ...] = Field(default=(), description="findings of the leak check that are known and meant")
    accept_reason: str = Field(default="", description="why; needed where something is accepted")
    attribution: AttributionConfig | None = None
    workers: int = Field(default=1, ge=0, le=64, description="loader processes beside the trainer")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.format in {"oai", "most"} and not self.readings:
            raise ValueError(f"data.format={self.format} needs data.readings, the cohort's text files")
        if self.format not in {"oai", "most"} and (self.readings or self.widths or self.projects):
            raise ValueError("data.readings, data.widths and data.projects are for data.format=oai or most")
        if self.folds == 1 or (self.fold is not None and self.fold >= self.folds):
            raise ValueError("data.folds is 0 or at least 2, and data.fold one of 0 ... data.folds - 1")
        if self.accept and not self.accept_reason.strip():
            raise ValueError("data.accept needs data.accept_reason: it is recorded with every checkpoint and release")
        return self


class NetworkConfig(_Section):
    """The network: a timm backbone by name, its start, and its regularisation.

    `start` names the folder of an earlier run whose best network is trained further; it goes before `weights`.
    """

    backbone: str = "tf_efficientnet_lite0"
    weights: Literal["imagenet", "none"] = "imagenet"
    start: Path | None = None
    dropout: float = Field(default=0.3, ge=0, lt=1)
    drop_path: float = Field(default=0.1, ge=0, lt=1)


class LossConfig(_Section):
    """Ordinal target: `neighbour` is what a neighbouring grade gets; `expected_weight` pulls the expected grade.

    `target` is the one grade of a knee, or the shares of its readers; where the data name no readers both are the same.
    """

    target: Literal["grade", "readers"] = "grade"
    neighbour: float = Field(default=0.15, ge=0, lt=1)
    expected_weight: float = Field(default=0.1, ge=0)


class AugmentConfig(_Section):
    """What an X-ray room could cause. Angles in degrees, shifts and scales as fractions of the square's side."""

    rotate_degrees: float = Field(default=15.0, ge=0, le=45)
    shift: float = Field(default=0.06, ge=0, le=0.3)
    scale: float = Field(default=0.12, ge=0, le=0.5)
    gamma: tuple[float, float] = (0.5, 2.0)
    probability: float = Field(default=0.3, ge=0, le=1, description="of each of the rarer disturbances")


class OptimizerConfig(_Section):
    """AdamW under a linear warm-up and a cosine decay, stepped every iteration."""

    learning_rate: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)


class TrainConfig(_Section):
    """One training run, resolved; it is saved with every checkpoint and release."""

    seed: int = Field(default=1, ge=0)
    data: DataConfig
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    epochs: int = Field(default=12, ge=1)
    batch_size: int = Field(default=32, ge=1)
    ema_momentum: float = Field(default=0.005, gt=0, lt=1)
    ema_buffers: Literal["update", "copy"] = "update"
    patience_epochs: int = Field(default=6, ge=1)
    amp: bool = True
    device: str = "auto"
    threads: int = Field(default=0, ge=0, description="torch threads on CPU; 0 leaves torch's choice")
    checkpoint_seconds: float = Field(default=300.0, gt=0)
    out: Path = Path("runs/kl")
    tensorboard: bool = True
    mlflow_uri: str | None = None


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Reads a YAML file, applies `key=value` overrides and validates the whole.

    Args:
        path: the YAML file.
        overrides: such as `optimizer.learning_rate=1e-4`; the value is read as YAML.

    Raises:
        ConfigError: the file is missing or not YAML, a key is unknown, or a value is out of range; the key is named.
    """
    tree = _mapping(path)
    for override in overrides:
        _apply(tree, override)
    try:
        return TrainConfig.model_validate(tree)
    except ValidationError as error:
        raise _invalid(path, error) from error


def load_data_config(path: Path) -> DataConfig:
    """Reads where graded knees are: a YAML file that is a training configuration, or holds its section `data` alone.

    Args:
        path: the YAML file. Paths in it are relative to where the command is run, as in training.

    Raises:
        ConfigError: see `load_config`.
    """
    tree = _mapping(path)
    try:
        return DataConfig.model_validate(tree.get("data", tree))
    except ValidationError as error:
        raise _invalid(path, error) from error


def _mapping(path: Path) -> dict[str, object]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"{path} cannot be read as YAML: {error}"
        raise ConfigError(msg) from error
    if not isinstance(tree, dict):
        msg = f"{path} must hold a mapping of keys, such as `epochs: 12`."
        raise ConfigError(msg)
    return tree


def _invalid(path: Path, error: ValidationError) -> ConfigError:
    problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return ConfigError(f"{path} is not a valid configuration: {problems}")


def _apply(tree: dict[str, object], override: str) -> None:
    import yaml

    key, equals, text = override.partition("=")
    if not equals or not key:
        msg = f"{override!r} is not an override; write key=value, for example epochs=3."
        raise ConfigError(msg)
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            msg = f"{key}: {parent} is a value, not a section."
            raise ConfigError(msg)
        node = child
    value = yaml.safe_load(text)
    # YAML 1.1 reads 1e-4 as text; pydantic would take it, but a plain number is clearer in the saved config.
    node[last] = value
