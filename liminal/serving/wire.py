"""What the front and a worker say to each other over a Unix socket pair.

One *slot* is one socket pair and one thread in the worker; it carries one call at a time, so
messages need no numbers and a call's deadline is the socket's timeout.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from .results import BYTES, JSON, TEXT, Reply

READY = 0xFFFF
"""In place of an endpoint's number: does every module's `ready()` say yes?"""
VERSION = 0xFFFE
"""In place of an endpoint's number: the model versions, as a JSON object by module."""
PING = 0xFFFD
"""In place of an endpoint's number: does the interpreter still run?"""

_CALL = struct.Struct("!IHB")  # length of the body, endpoint, length of the request id
_REPLY = struct.Struct("!IHB")  # length of the body, status, content type
_CONTENT_TYPES = (JSON, TEXT, BYTES)
_TIMEVAL = struct.Struct("@ll")  # seconds, microseconds
_PIECE = 1 << 18
# recv() allocates what it is asked for; more than this would cost small messages much.
_FIRST_PIECE = 1 << 12


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as the worker sees it: the endpoint's number, its id for the log, the body."""

    number: int
    request_id: str
    body: bytes


def send_call(slot: socket.socket, call: Call) -> None:
    """Sends a call, the request id as at most 255 ASCII characters."""
    name = call.request_id.encode("ascii", "replace")[:255]
    slot.sendall(_CALL.pack(len(call.body), call.number, len(name)) + name + call.body)


def receive_call(slot: socket.socket) -> Call | None:
    """The next call, or None when the front has closed the slot."""
    try:
        return _receive_call(slot)
    except ConnectionError:
        return None


def _receive_call(slot: socket.socket) -> Call | None:
    data = _receive(slot, _CALL.size)
    if data is None:
        return None
    length, number, name_length = _CALL.unpack_from(data)
    begin = _CALL.size + name_length
    if len(data) < begin + length:
        rest = _receive_rest(slot, data, begin + length)
        if rest is None:
            return None
        data = rest
    return Call(number, data[_CALL.size : begin].decode("ascii"), data[begin:])


def send_reply(slot: socket.socket, reply: Reply) -> None:
    """Sends the reply to the call received last."""
    content_type = _CONTENT_TYPES.index(reply.content_type)
    slot.sendall(_REPLY.pack(len(reply.body), reply.status, content_type) + reply.body)


def receive_reply(slot: socket.socket) -> Reply | None:
    """The reply to the call sent last, or None when the worker is gone.

    Raises:
        BlockingIOError: The socket's timeout passed without a byte.
        ConnectionResetError: The worker is gone and had not read the whole call.
            Source: Linux, net/unix/af_unix.c, unix_release_sock().
    """
    data = _receive(slot, _REPLY.size)
    if data is None:
        return None
    length, status, content_type = _REPLY.unpack_from(data)
    if len(data) < _REPLY.size + length:
        whole = _receive_rest(slot, data, _REPLY.size + length)
        if whole is None:
            return None
        data = whole
    return Reply(status, _CONTENT_TYPES[content_type], data[_REPLY.size :])


def set_timeout(slot: socket.socket, seconds: float) -> None:
    """Lets the kernel watch over the time of each read and write of a slot.

    Python's own `settimeout` costs a poll for each, and with it another turn for the
    interpreter's lock.
    """
    microseconds = max(int(seconds * 1e6), 1000)
    value = _TIMEVAL.pack(*divmod(microseconds, 1_000_000))
    slot.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
    slot.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)


def _receive(slot: socket.socket, least: int) -> bytes | None:
    """What there is to read, usually the whole message; None at the end.

    A slot carries one message at a time, so nothing of the next one can come with it.
    """
    data = slot.recv(_FIRST_PIECE)
    if 0 < len(data) < least:
        return _receive_rest(slot, data, least)
    return data or None


def _receive_rest(slot: socket.socket, data: bytes, size: int) -> bytes | None:
    parts = [data]
    missing = size - len(data)
    while missing > 0:
        part = slot.recv(min(missing, _PIECE))
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
