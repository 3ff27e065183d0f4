"""Signatures of webhooks are those of the Standard Webhooks specification."""

from api.events.webhook_signature import secret_bytes, secret_text, signed_headers

KEY = bytes(range(32))


def test_signature_equals_one_computed_with_openssl() -> None:
    # printf 'one.1764324000.{"id":"act-1"}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f -binary | base64
    headers = signed_headers(KEY, "one", 1764324000, b'{"id":"act-1"}')
    assert headers == {
        "webhook-id": "one",
        "webhook-timestamp": "1764324000",
        "webhook-signature": "v1,86US/Q+EkOAHlauDKI4IcTKvuCbPHffm2cD6VZipNdM=",
    }


def test_secret_depends_on_the_installation_and_the_webhook() -> None:
    secrets = {secret_bytes(key, nonce) for key in (KEY, KEY[::-1]) for nonce in ("a", "b")}
    assert {len(secret) for secret in secrets} == {32}
    assert len(secrets) == 4
    assert secret_text(KEY) == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
