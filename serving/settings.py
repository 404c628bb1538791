"""Everything that the service can be told, by environment (`KNEEOA_...`), by a YAML file, or by an option.

The order of precedence is: options of the command line, environment, YAML file, defaults. Unknown keys of the file are
refused by name. Nested settings are written with two underscores: `KNEEOA_LIMITS__FILE_BYTES=100000000`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from kneeoa.model.errors import ConfigError
from kneeoa.model.release import DEFAULT_RELEASE
from kneeoa.serving.pacs.pull_settings import DimsePull, Pull, WebPull
from kneeoa.serving.routing.rule_settings import RuleSettings, all_rules
from kneeoa.serving.web_peer import LOOPBACK, WebPeer

DEFAULT_PORT = 8080


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkerSettings(_Section):
    """The processes that decode and grade.

    Attributes:
        count: how many; 0 is one a core, at most four.
        memory_bytes: address space of one, in bytes.
        seconds: the longest that one film may take.
    """

    count: int = Field(default=0, ge=0, le=256)
    memory_bytes: int = Field(default=6 << 30, ge=1 << 28)
    seconds: float = Field(default=60.0, gt=0)

    @property
    def resolved_count(self) -> int:
        """How many processes that is on this machine."""
        return self.count or min(4, os.cpu_count() or 1)


class LimitSettings(_Section):
    """What a client may ask for.

    Attributes:
        body_bytes: largest body of one request.
        file_bytes: largest single film.
        instances: most films in one request.
        requests_a_minute: of one key, or of one address where there are no keys.
        slow_client_seconds: how long a body may go without a byte.
        connections: most connections at once.
    """

    body_bytes: int = Field(default=2 << 30, ge=1 << 10)
    file_bytes: int = Field(default=1 << 30, ge=1 << 10)
    instances: int = Field(default=500, ge=1)
    requests_a_minute: int = Field(default=6000, ge=1)
    slow_client_seconds: float = Field(default=20.0, gt=0)
    connections: int = Field(default=1000, ge=1)


class QueueSettings(_Section):
    """The durable work: how much may wait, how often a step is tried.

    Attributes:
        high_films: with so many films waiting, no more are taken (503).
        low_films: and they are taken again when no more than these wait.
        free_bytes: with less room on the disk, no more are taken either.
        grade_attempts: of grading one film, before it becomes a dead letter.
        step_attempts: of every other step.
        delivery_attempts: of bringing one result to one destination.
        backoff_seconds: before the second attempt; it doubles with each.
        keep_finished_hours: how long the record of finished work is kept.
    """

    high_films: int = Field(default=20_000, ge=1)
    low_films: int = Field(default=18_000, ge=0)
    free_bytes: int = Field(default=1 << 30, ge=0)
    grade_attempts: int = Field(default=2, ge=1, le=20)
    step_attempts: int = Field(default=6, ge=1, le=100)
    delivery_attempts: int = Field(default=12, ge=1, le=100)
    backoff_seconds: float = Field(default=0.5, gt=0)
    keep_finished_hours: float = Field(default=24.0, ge=0)


class OidcSettings(_Section):
    """Bearer tokens of an identity provider; without an issuer there are none.

    Attributes:
        issuer: its URL, exactly as tokens name it.
        audience: that tokens must be meant for.
        role_claim: the claim that lists a user's roles: submit, read, admin.
        jwks_url: where its keys are; by default what its discovery document says.
    """

    issuer: str | None = None
    audience: str = "kneeoa"
    role_claim: str = "roles"
    jwks_url: str | None = None


class SecuritySettings(_Section):
    """Who may do what.

    Attributes:
        require_login: also on loopback.
        oidc: see `OidcSettings`.
        trusted_hosts: values of the Host header that are answered; the bound address always is.
    """

    require_login: bool = False
    oidc: OidcSettings = OidcSettings()
    trusted_hosts: tuple[str, ...] = ()


class PacsPeer(_Section):
    """A DICOM node that results go to.

    Attributes:
        ae_title: its Application Entity title.
        host: name or address.
        port: TCP port.
        tls: whether it is spoken to over TLS, by `PacsSettings.tls`.
    """

    ae_title: str = Field(min_length=1, max_length=16)
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    tls: bool = False


class StowPeer(WebPeer):
    """A DICOMweb server that results go to."""


class TlsSettings(_Section):
    """Certificates of the DICOM node; each a PEM file.

    Attributes:
        certificate: its own, with what leads to its authority.
        key: of the certificate, without a passphrase.
        authorities: whose certificates peers and destinations must have.
    """

    certificate: Path
    key: Path
    authorities: Path


class AllowedPeer(_Section):
    """A DICOM node that may send films.

    Attributes:
        ae_title: that it calls itself.
        host: its address, or a network such as 10.1.2.0/24.
    """

    ae_title: str = Field(min_length=1, max_length=16)
    host: IPvAnyNetwork

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """What its address must lie in."""
        return (self.host,)


class PacsSettings(_Section):
    """The service as a DICOM node.

    Attributes:
        ae_title: its Application Entity title.
        host: address of the Storage SCP; any but loopback needs `allowed_peers`.
        port: of the Storage SCP; None has none.
        allowed_peers: who may send, by title and address together.
        destinations: where every result goes by C-STORE.
        stow: where every result goes by STOW-RS.
        associations: most at once; each may hold one film in memory.
        seconds: the longest silence of a peer.
        tls: certificates; with them the Storage SCP takes nobody who has none.
        rules: what is done with which film; the first that matches decides. See `routing.rule_settings`.
        rules_file: YAML file of more rules, which come after those.
        pull: archives that are asked for films; see `pull_settings`.
    """

    ae_title: str = Field(default="KNEEOA", min_length=1, max_length=16)
    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)
    allowed_peers: tuple[AllowedPeer, ...] = ()
    destinations: tuple[PacsPeer, ...] = ()
    stow: tuple[StowPeer, ...] = ()
    associations: int = Field(default=10, ge=1, le=1000)
    seconds: float = Field(default=30.0, gt=0)
    tls: TlsSettings | None = None
    rules: tuple[RuleSettings, ...] = ()
    rules_file: FilePath | None = None
    pull: tuple[Pull, ...] = ()

    @property
    def destination_names(self) -> tuple[str, ...]:
        """The full names of all destinations, as deliveries and rules have them."""
        return (*(f"dicom:{peer.ae_title}" for peer in self.destinations), *(f"stow:{peer.name}" for peer in self.stow))

    @model_validator(mode="after")
    def _has_certificates(self) -> Self:
        wanted = [peer.tls for peer in self.destinations]
        wanted += [source.tls for source in self.pull if isinstance(source, DimsePull)]
        if self.tls is None and any(wanted):
            raise ValueError("a node with tls needs our own certificate, key and authorities (pacs.tls)")
        return self

    @model_validator(mode="after")
    def _has_rules(self) -> Self:
        all_rules(self.rules, self.rules_file, self.destination_names)
        return self

    @model_validator(mode="after")
    def _can_pull(self) -> Self:
        names = [source.name for source in self.pull]
        if len(set(names)) < len(names):
            raise ValueError("two archives to pull from have one name")
        titles = {peer.ae_title for peer in self.allowed_peers}
        for source in self.pull:
            if isinstance(source, WebPull) or source.via != "move":
                continue
            if self.port is None:
                raise ValueError(f"{source.name} sends by C-MOVE, which needs our own Storage SCP: give pacs.port")
            if titles and source.ae_title not in titles:
                raise ValueError(f"{source.name} sends by C-MOVE and would be turned away: add it to allowed_peers")
        return self


def default_data_folder() -> Path:
    """The user's own data folder, as the operating system has it."""
    from platformdirs import user_data_path

    return user_data_path("kneeoa", appauthor=False)


class Settings(BaseSettings):
    """The service's settings.

    Attributes:
        host: address to bind; any but loopback needs authentication.
        port: TCP port.
        data: folder of the films, the database and the lock.
        database_url: `postgresql://...`, or None for SQLite in the data folder.
        release: name of a shipped release, or the folder of one.
        device: "auto", "cpu" or "cuda".
        retention_days: originals are removed so many days after their result; None keeps them. Results stay.
        stop_seconds: how long a stop waits for what runs.
        log_level: of the service's own log.
        codes: a YAML file of a site's own codes for DICOM and FHIR results, or None.
        workers, limits, queue, security, pacs: see their classes.
    """

    model_config = SettingsConfigDict(env_prefix="KNEEOA_", env_nested_delimiter="__", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    data: Path = Field(default_factory=default_data_folder)
    database_url: SecretStr | None = None
    release: str = DEFAULT_RELEASE
    device: Literal["auto", "cpu", "cuda"] = "auto"
    retention_days: float | None = Field(default=None, ge=0)
    stop_seconds: float = Field(default=30.0, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    codes: Path | None = None
    workers: WorkerSettings = WorkerSettings()
    limits: LimitSettings = LimitSettings()
    queue: QueueSettings = QueueSettings()
    security: SecuritySettings = SecuritySettings()
    pacs: PacsSettings = PacsSettings()

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK

    def printable(self) -> str:
        """The resolved settings as YAML, secrets masked."""
        import yaml

        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_settings(config: Path | None = None, options: Mapping[str, object] | None = None) -> Settings:
    """Resolves the settings.

    Args:
        config: a YAML file; by default the one that `KNEEOA_CONFIG` names, if any.
        options: what the command line says; None values are left out.

    Raises:
        ConfigError: a value is not valid, a key is unknown, or the file cannot be read; the message names the key, and
            never quotes a value, which may be a secret.
    """
    named = config or (Path(os.environ["KNEEOA_CONFIG"]) if os.environ.get("KNEEOA_CONFIG") else None)
    given = {key: value for key, value in (options or {}).items() if value is not None}
    if named is not None and not named.is_file():
        raise ConfigError(f"There is no file {named}. Name a YAML file of settings.")

    class _FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it by name
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            files = (YamlConfigSettingsSource(settings_cls, yaml_file=named),) if named is not None else ()
            return (init_settings, env_settings, *files)

    import yaml

    try:
        return _FromFile(**given)  # type: ignore[arg-type] # values of every kind; pydantic checks them
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigError(f"The settings are not valid: {faults}.") from None
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError(
            f"The settings of {named or 'the environment'} cannot be read ({type(error).__name__})."
        ) from None
