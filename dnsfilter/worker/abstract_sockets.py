"""Unix sockets without a path (unix(7), abstract), and who is at the other end."""

import hashlib
import os
import socket
from pathlib import Path
from struct import Struct

_CREDENTIALS = Struct("=iII")
"""`struct ucred`: process, user and group."""


def abstract_address(program: str, path: Path) -> str:
    """Return the address of a program's socket for a path. Links in the path are not followed."""
    return f"\0{program}-{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:32]}"


def peer_uid(sock: socket.socket) -> int:
    """Return the user of the process at the other end."""
    _pid, uid, _gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)
