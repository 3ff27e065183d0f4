"""Telling the service manager how we are (sd_notify(3)); silent where there is none."""

import os
import socket


def notify(*states: str) -> None:
    """Send states such as `READY=1` to the socket that NOTIFY_SOCKET names; a manager that is gone is no error."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.sendall("\n".join(states).encode())
        except OSError:
            return
