"""The key that signs snapshots, so that nodes accept only snapshots from their control plane."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.chain.checkpoint import public_text
from dnsfilter.snapshot.signature import sign_manifest


@dataclass(frozen=True, slots=True)
class Signing:
    """Signs manifests. `public` is the public key in hexadecimal, which nodes pin when they enrol."""

    key: Ed25519PrivateKey = field(repr=False)
    public: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", public_text(self.key))

    def signed(self, manifest: bytes) -> bytes:
        """Return the manifest with its signature. Raise SnapshotError."""
        return sign_manifest(manifest, self.key)
