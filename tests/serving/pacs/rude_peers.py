"""DICOM peers that misbehave: what they say is a real modality's, cut, changed or held back."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event

_HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""
_ABORT = b"\x07\x00" + struct.pack(">L", 4) + bytes(4)
"""A-ABORT (PS3.8 9.3.8), by the user of the service."""
_LIE = struct.Struct(">L")


@dataclass(frozen=True, slots=True)
class Said:
    """What a well-behaved sender of one film says, PDU by PDU (PS3.8 9.3)."""

    request: bytes
    data: tuple[bytes, ...]


def listen_to(port: int, film: Dataset, called: str = "KNEEOA") -> Said:
    """Stores a film properly and notes what was said.

    Args:
        port: of the Storage SCP on loopback.
        film: what is sent.
        called: the title that it is asked for.
    """
    said: list[bytes] = []

    def note(event: Event) -> None:
        said.append(bytes(event.data))

    ae = AE("RUDE")
    ae.add_requested_context(film.SOPClassUID, film.file_meta.TransferSyntaxUID)
    association = ae.associate(_HOST, port, ae_title=called, evt_handlers=[(evt.EVT_DATA_SENT, note)])
    assert association.is_established
    assert association.send_c_store(film).Status == 0
    association.release()
    return Said(said[0], tuple(pdu for pdu in said if pdu[0] == 0x04))


def _garbage(peer: socket.socket, _said: Said) -> None:
    peer.sendall(b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n")


def _unknown_pdu(peer: socket.socket, _said: Said) -> None:
    peer.sendall(b"\x55\x00" + _LIE.pack(16) + bytes(16))


def _endless_pdu(peer: socket.socket, said: Said) -> None:
    """Four gigabytes are announced."""
    peer.sendall(said.request[:2] + _LIE.pack(0xFFFFFFFF) + said.request[6:] * 50)


def _short_pdu(peer: socket.socket, said: Said) -> None:
    """Less is announced than comes: the rest reads as another PDU."""
    peer.sendall(said.request[:2] + _LIE.pack(len(said.request) - 40) + said.request[6:])


def _torn_request(peer: socket.socket, said: Said) -> None:
    peer.sendall(said.request[: len(said.request) // 2])


def _wrong_value_length(peer: socket.socket, said: Said) -> None:
    """The fragment in a P-DATA claims more than its PDU has."""
    _associate(peer, said)
    pdu = said.data[0]
    peer.sendall(pdu[:6] + _LIE.pack(len(pdu) * 7) + pdu[10:])


def _endless_data(peer: socket.socket, said: Said) -> None:
    _associate(peer, said)
    peer.sendall(said.data[0])
    peer.sendall(said.data[1][:2] + _LIE.pack(0x7FFFFFFF) + said.data[1][6:] * 20)


def _aborts_midway(peer: socket.socket, said: Said) -> None:
    _half(peer, said)
    peer.sendall(_ABORT)


def _resets_midway(peer: socket.socket, said: Said) -> None:
    _half(peer, said)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _leaves_midway(peer: socket.socket, said: Said) -> None:
    _half(peer, said)


def _data_without_association(peer: socket.socket, said: Said) -> None:
    for pdu in said.data:
        peer.sendall(pdu)


def _asks_twice(peer: socket.socket, said: Said) -> None:
    _associate(peer, said)
    peer.sendall(said.request)


def _garbled_command(peer: socket.socket, said: Said) -> None:
    _associate(peer, said)
    pdu = bytearray(said.data[0])
    pdu[14:60] = bytes(reversed(pdu[14:60]))
    peer.sendall(pdu)


RUDE: tuple[Callable[[socket.socket, Said], None], ...] = (
    _garbage,
    _unknown_pdu,
    _endless_pdu,
    _short_pdu,
    _torn_request,
    _wrong_value_length,
    _endless_data,
    _aborts_midway,
    _resets_midway,
    _leaves_midway,
    _data_without_association,
    _asks_twice,
    _garbled_command,
)
"""Each closes its connection at once."""


def misbehave(port: int, said: Said, number: int) -> None:
    """One connection of a kind, and whatever the other side thinks of it."""
    with socket.create_connection((_HOST, port), timeout=20) as peer:
        try:
            RUDE[number % len(RUDE)](peer, said)
        except OSError:
            return  # it was cut off while it spoke


class Silent:
    """Connections that say the beginning of something, and then nothing, until they are let go.

    Args:
        port: of the Storage SCP on loopback.
        beginning: what each says.
        count: how many.
    """

    def __init__(self, port: int, beginning: bytes, count: int) -> None:
        self._peers = [socket.create_connection((_HOST, port), timeout=20) for _ in range(count)]
        for peer in self._peers:
            peer.sendall(beginning)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._peers:
            peer.close()


def drip(port: int, said: Said, seconds: float) -> bytes:
    """Sends a film as over a very slow line, a PDU in pieces with pauses; the type of the PDU that comes back last."""
    with socket.create_connection((_HOST, port), timeout=60) as peer:
        _associate(peer, said)
        pieces = [pdu[at : at + 4096] for pdu in said.data for at in range(0, len(pdu), 4096)]
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(seconds / len(pieces))
        return peer.recv(1)


def flood(port: int, said: Said, most: int) -> int:
    """Announces a PDU of four gigabytes and sends it; how many bytes it came to send, at most so many."""
    sent = 0
    with socket.create_connection((_HOST, port), timeout=20) as peer:
        try:
            _associate(peer, said)
            peer.sendall(b"\x04\x00" + _LIE.pack(0xFFFFFFFF))
            while sent < most:
                sent += peer.send(bytes(1 << 20))
        except OSError:
            return sent
    return sent


def _associate(peer: socket.socket, said: Said) -> None:
    peer.sendall(said.request)
    answer = peer.recv(4096)
    if answer[:1] != b"\x02":
        raise ConnectionError("the association was not accepted")


def _half(peer: socket.socket, said: Said) -> None:
    _associate(peer, said)
    *whole, last = said.data[: max(2, len(said.data) // 2)]
    for pdu in whole:
        peer.sendall(pdu)
    peer.sendall(last[: len(last) // 2])
