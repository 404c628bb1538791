"""Connections to the Storage SCP, whatever the other side does: none is endless, none takes more than its share.

pynetdicom trusts its peers in five things. It reads a PDU as long as its header says, up to 4 GiB; it waits for the
rest of one for ever, in a thread that nothing ends; it keeps taking fragments of one message; it serves as many
connections as come; and a message that it cannot take apart ends the thread, but not the connection. Here each has
its limit.

References:
    DICOM PS3.8 section 9.2 (the state machine), 9.3.1 (PDU length) and annex D.1 (maximum length).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Lock
from typing import cast

import structlog
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.fsm import StateMachine
from pynetdicom.transport import AssociationSocket, RequestHandler

from kneeoa.serving.pacs.tls import PatientServer

LONGEST_PDU = 1 << 20
"""Bytes: 64 times what we ask for (Maximum Length), which not every sender heeds; requests have less."""
LARGEST_MESSAGE = (1 << 30) + (1 << 20)
"""Bytes: a film has one GiB at most (`too_large`), and a command beside it."""
SPARE_CONNECTIONS = 20
"""Beyond the associations: they are told that there is no place (A-ASSOCIATE-RJ); what comes besides is closed."""
_LARGEST_READ = 1 << 16
_CONNECTION_CLOSED = "Evt17"
_LOG = structlog.get_logger("kneeoa.pacs")


class BoundedSocket(AssociationSocket):
    """Reads a PDU within the time allowed, and no more than is sound."""

    unanswered = 0
    """Bytes since something was last sent."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Reads so many bytes, or fewer where the peer closes before.

        Args:
            nr_bytes: how many.

        Raises:
            OSError: they are too many, or take too long; the connection is then closed.
        """
        self.unanswered += nr_bytes
        if nr_bytes > LONGEST_PDU or self.unanswered > LARGEST_MESSAGE:
            raise OSError("The peer sends more than is taken.")
        connection, seconds = cast("socket.socket", self.socket), self.assoc.network_timeout
        connection.settimeout(seconds)
        end = None if seconds is None else time.monotonic() + seconds
        content = bytearray()
        while len(content) < nr_bytes:
            piece = connection.recv(min(nr_bytes - len(content), _LARGEST_READ))
            if not piece:
                break
            content += piece
            if end is not None and time.monotonic() > end:
                raise TimeoutError("The peer takes too long over one PDU.")
        return content

    def send(self, bytestream: bytes) -> None:
        """Sends, as it is."""
        self.unanswered = 0
        super().send(bytestream)

    def _shutdown_socket(self) -> None:
        connection = self.socket
        super()._shutdown_socket()
        if connection is not None:
            connection.close()  # left open above where the peer has gone before


class _Machine(StateMachine):
    """Closes the connection at what cannot be taken apart; the association then ends by the standard's own rules."""

    def do_action(self, event: str) -> None:
        """As PS3.8 table 9-10 has it."""
        try:
            super().do_action(event)
            if event == _CONNECTION_CLOSED:
                # Else the association waits until its time is over, in its place, for a request that cannot come.
                self.dul.to_user_queue.put(None)  # type: ignore[arg-type]  # what it takes for an end of its patience
        except Exception as error:  # whatever a peer can bring about
            _LOG.warning("association_broken", error=type(error).__name__)
            connection = self.dul.socket
            if event == _CONNECTION_CLOSED or connection is None or connection.socket is None:
                self._end()
            else:
                self.dul._kill_thread = False  # noqa: SLF001 - set on the way here, and the rules are still to follow
                connection.close()

    def _end(self) -> None:
        """Without a connection there is nothing left to wait for."""
        association = self.dul.assoc
        association.is_aborted, association.is_established = True, False
        association._kill = True  # noqa: SLF001 - as pynetdicom's own reactor ends what it cannot read
        self.dul.kill_dul()


class _Handler(RequestHandler):
    def _create_association(self) -> Association:
        association = super()._create_association()
        # The socket made above has announced the connection, as ours does again.
        association.dul.event_queue.get_nowait()
        association.dul.socket = BoundedSocket(association, client_socket=cast("socket.socket", self.request))
        association.dul.state_machine = _Machine(association.dul)
        return association


class BoundedServer(PatientServer):
    """Takes connections from where films may come from, and not all at once.

    Args:
        ae: whose server it is.
        address: to listen at.
        welcome: whether a connection from an address is taken.
        options: as pynetdicom has them.
    """

    def __init__(
        self, ae: AE, address: tuple[str, int], *args: object, welcome: Callable[[str], bool], **options: object
    ) -> None:
        self._welcome = welcome
        self._arriving = 0
        self._lock = Lock()
        super().__init__(ae, address, *args, request_handler=_Handler, **options)  # type: ignore[arg-type, misc]  # likewise

    def verify_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int] | str
    ) -> bool:
        """Whether a connection is taken at all; a strange address learns nothing, not even that this is DICOM."""
        del request
        if not self._welcome(str(client_address[0])):
            _LOG.warning("connection_refused", reason="address")
            return False
        # Each has a thread by that name, which is how pynetdicom counts them too.
        if self._arriving + len(self.active_associations) < self.ae.maximum_associations + SPARE_CONNECTIONS:
            return True
        _LOG.warning("connection_refused", reason="too_many")
        return False

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int] | str
    ) -> None:
        """Serves a connection in a thread of its own."""
        with self._lock:
            self._arriving += 1
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int] | str
    ) -> None:
        """Serves it, until its association has a thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._arriving -= 1
