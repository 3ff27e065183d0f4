"""Sign an Apple profile, so that devices show who made it."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509 import load_pem_x509_certificates

from api.ctl.exit_codes import WrongInput


def sign_profile(profile: bytes, certificate: Path, key: Path) -> bytes:
    """Return the profile within a signature (CMS, RFC 5652), with the certificate's chain. Raise WrongInput."""
    try:
        signer, *chain = load_pem_x509_certificates(certificate.read_bytes())
        private = load_pem_private_key(key.read_bytes(), password=None)
    except OSError as error:
        raise WrongInput(f"cannot read {error.filename}: {error.strerror}") from error
    except (TypeError, ValueError) as error:
        message = f"{certificate} and {key} are not a certificate and its key in PEM without a password"
        raise WrongInput(message) from error
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
        raise WrongInput(f"{key} is neither an RSA nor an elliptic curve key: use one of these")
    if private.public_key() != signer.public_key():
        raise WrongInput(f"the key in {key} does not belong to the certificate in {certificate}")
    if signer.not_valid_after_utc <= datetime.now(UTC):
        ended = f"{signer.not_valid_after_utc:%Y-%m-%d}"
        raise WrongInput(f"the certificate in {certificate} ended on {ended}, so devices reject it: renew it first")
    builder = PKCS7SignatureBuilder().set_data(profile).add_signer(signer, private, SHA256())
    for each in chain:
        builder = builder.add_certificate(each)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary, PKCS7Options.NoCapabilities])
