"""A DICOMweb server as settings name it: results go to one, films are pulled from one."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FilePath, HttpUrl, SecretStr, model_validator

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class WebPeer(BaseModel):
    """A DICOMweb server.

    Attributes:
        name: what lists, metrics and dead letters call it.
        url: its root, to which `/studies` is added; http only on loopback, or where nothing secret is sent and
            `in_clear` says so.
        token: for `Authorization: Bearer`, or None.
        user, password: for basic authentication, or None.
        authorities: PEM file of those that sign its certificate; None are the system's own.
        in_clear: films or their results may travel without TLS.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    url: HttpUrl
    token: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None
    authorities: FilePath | None = None
    in_clear: bool = False

    @model_validator(mode="after")
    def _keeps_secrets(self) -> Self:
        if self.url.username or self.url.password:
            raise ValueError("the URL has a password: give user and password by themselves")
        if self.url.scheme == "https" or self.url.host in LOOPBACK:
            return self
        if self.token is not None or self.password is not None or not self.in_clear:
            raise ValueError("films or results would travel in clear: use https, or say in_clear and send no secret")
        return self
