"""The key that signs checkpoints: a PEM file outside the database and its backups."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from api.files import read_key_file, write_secret

MAX_BYTES = 16 * 1024


def make_signing_key(path: Path) -> None:
    """Make a private key that only its owner can read. Raise OSError; FileExistsError if the file exists."""
    key = Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), exclusive=True)


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key of a PEM file.

    Raise OSError. Raise ValueError if the file holds something else, or others can read or write it.
    """
    pem = read_key_file(path, MAX_BYTES)
    try:
        found = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path} does not hold a PEM private key without a password") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ValueError(f"{path} does not hold an Ed25519 key")
    return found
