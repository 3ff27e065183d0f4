"""A device that holds a passkey: it answers as a browser does."""

import json
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url

PRESENT, VERIFIED, ADDED = 0x01, 0x04, 0x40


@dataclass
class Device:
    """A device with one passkey. `uses` is its counter, which a copy of the device repeats."""

    origin: str = "https://testserver"
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    flags: int = PRESENT | VERIFIED
    uses: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def made(self, options: Any) -> str:
        """Return the answer to the options that ask for a new passkey."""
        point = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
        added = bytes(16) + len(self.credential).to_bytes(2) + self.credential + public
        data = self._data(options["rp"]["id"], self.flags | ADDED) + added
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(self._client("create", options), attestationObject=attested)

    def signed(self, options: Any) -> str:
        """Return the answer to the options that ask for a signature."""
        self.uses += 1
        data, client = self._data(options["rpId"], self.flags), self._client("get", options)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(client, authenticatorData=data, signature=signature)

    def _data(self, host: str, flags: int) -> bytes:
        return sha256(host.encode()).digest() + bytes([flags]) + self.uses.to_bytes(4)

    def _client(self, kind: str, options: Any) -> bytes:
        return json.dumps(
            {"type": f"webauthn.{kind}", "challenge": options["challenge"], "origin": self.origin}
        ).encode()

    def _answer(self, client: bytes, **parts: bytes) -> str:
        identifier = bytes_to_base64url(self.credential)
        response = {name: bytes_to_base64url(value) for name, value in {"clientDataJSON": client, **parts}.items()}
        return json.dumps({"id": identifier, "rawId": identifier, "type": "public-key", "response": response})
