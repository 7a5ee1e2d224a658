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
    head = _receive(slot, _CALL.size)
    if head is None:
        return None
    length, number, name_length = _CALL.unpack(head)
    rest = _receive(slot, name_length + length)
    if rest is None:
        return None
    return Call(number, rest[:name_length].decode("ascii"), rest[name_length:])


def send_reply(slot: socket.socket, reply: Reply) -> None:
    """Sends the reply to the call received last."""
    content_type = _CONTENT_TYPES.index(reply.content_type)
    slot.sendall(_REPLY.pack(len(reply.body), reply.status, content_type) + reply.body)


def receive_reply(slot: socket.socket) -> Reply | None:
    """The reply to the call sent last, or None when the worker is gone.

    Raises:
        TimeoutError: The socket's timeout passed without a byte.
    """
    head = _receive(slot, _REPLY.size)
    if head is None:
        return None
    length, status, content_type = _REPLY.unpack(head)
    body = _receive(slot, length)
    return None if body is None else Reply(status, _CONTENT_TYPES[content_type], body)


def _receive(slot: socket.socket, size: int) -> bytes | None:
    if size == 0:
        return b""
    try:
        first = slot.recv(size)
        if len(first) == size:
            return first
        parts = [first]
        missing = size - len(first)
        while missing and parts[-1]:
            parts.append(slot.recv(min(missing, 1 << 20)))
            missing -= len(parts[-1])
    except ConnectionError:
        return None
    return None if missing else b"".join(parts)
