"""Call libnftables, which nft(8) itself uses: 0.1 ms for an element, where a start of nft takes 5 ms."""

import ctypes
import json
from typing import Any

from dnsfilter.errors import UnavailableError

_LIBRARY = "libnftables.so.1"
_JSON = 1 << 4
"""NFT_CTX_OUTPUT_JSON, as in nftables/libnftables.h."""


class NftLibrary:
    """One context of libnftables. Each call that fails raises UnavailableError with what to do."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise UnavailableError(f"load {_LIBRARY}: {error}: apt-get install nftables") from error
        self._library.nft_ctx_new.restype = ctypes.c_void_p
        self._library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        self._library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        self._context = ctypes.c_void_p(self._library.nft_ctx_new(ctypes.c_uint32(0)))
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)
        self._library.nft_ctx_output_set_flags(self._context, ctypes.c_uint(_JSON))

    def apply(self, text: str) -> None:
        """Carry out these commands as one transaction."""
        self._run(text)

    def has(self, table: str) -> bool:
        """Return whether the table is there. This reads no elements."""
        return self._objects(f"list counters table {table}") is not None

    def listed(self, table: str) -> list[dict[str, Any]] | None:
        """Return the objects of a table as in libnftables-json(5). None if it is not there."""
        return self._objects(f"list table {table}")

    def _objects(self, command: str) -> list[dict[str, Any]] | None:
        try:
            text = self._run(command)
        except UnavailableError as error:
            if "No such file" in str(error):
                return None
            raise
        objects: list[dict[str, Any]] = json.loads(text)["nftables"]
        return objects

    def _run(self, text: str) -> str:
        done = self._library.nft_run_cmd_from_buffer(self._context, ctypes.c_char_p(text.encode()))
        output = self._library.nft_ctx_get_output_buffer(self._context) or b""
        errors = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if done == 0:
            return output.decode("utf-8", "replace")
        first = next(iter(errors.decode("utf-8", "replace").splitlines()), "no reason given")
        needs = " (this needs root or the capability CAP_NET_ADMIN)" if "not permitted" in first else ""
        raise UnavailableError(f"change the firewall: {first}{needs}")
