"""TLS between DICOM nodes, with certificates on both sides.

References:
    DICOM PS3.15 annex B.9 (BCP 195): TLS 1.2 or newer.
"""

from __future__ import annotations

import socket
import ssl

from pynetdicom.transport import ThreadedAssociationServer

from kneeoa.model.errors import ConfigError
from kneeoa.serving.settings import TlsSettings


class _Patient(ssl.SSLContext):
    """A context whose sockets do not shake hands when they are made, and are silent for no longer than allowed."""

    seconds: float | None = None

    def wrap_socket(self, sock: socket.socket, *args: object, **options: object) -> ssl.SSLSocket:
        sock.settimeout(self.seconds)
        options["do_handshake_on_connect"] = False
        return super().wrap_socket(sock, *args, **options)  # type: ignore[arg-type]  # likewise


class PatientServer(ThreadedAssociationServer):
    """Shakes hands in each connection's own thread.

    pynetdicom does it in the thread that accepts all of them: a peer that connects and says nothing would keep every
    other out.
    """

    daemon_threads = True

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int] | str
    ) -> None:
        """Serves one connection, if it comes to one."""
        if isinstance(request, ssl.SSLSocket):
            try:
                request.do_handshake()
            except OSError:
                request.close()
                return
        super().process_request_thread(request, client_address)


def server_context(tls: TlsSettings, seconds: float) -> ssl.SSLContext:
    """For the Storage SCP: a peer without a certificate of the authorities is refused.

    Args:
        tls: certificate, key and authorities.
        seconds: the longest silence of a peer.

    Raises:
        ConfigError: a file is missing or is not what it should be.
    """
    context = _Patient(ssl.PROTOCOL_TLS_SERVER)
    context.seconds = seconds
    return _loaded(context, tls)


def client_context(tls: TlsSettings) -> ssl.SSLContext:
    """For destinations: their certificate must be of the authorities and name the host that was asked for.

    Args:
        tls: certificate, key and authorities.

    Raises:
        ConfigError: a file is missing or is not what it should be.
    """
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls)


def _loaded(context: ssl.SSLContext, tls: TlsSettings) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"The certificate {tls.certificate} and its key {tls.key} cannot be used: give PEM files that the service "
            "may read and that belong together (KNEEOA_PACS__TLS__CERTIFICATE, KNEEOA_PACS__TLS__KEY)."
        ) from None
    try:
        context.load_verify_locations(tls.authorities)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"{tls.authorities} holds no authorities: give a PEM file of their certificates "
            "(KNEEOA_PACS__TLS__AUTHORITIES)."
        ) from None
    return context
