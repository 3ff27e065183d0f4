"""Settings: their sources, and all faults at once."""

import re
from pathlib import Path

import pytest

from api.delivery.destinations import Login, MailDestination
from api.delivery.identity_provider import IdentityProvider
from api.settings import Endpoint, TlsFiles, UnixSocket, parse_endpoint, parse_listen, parse_settings
from dnsfilter.errors import ConfigError
from tests.support.certificates import Authority


def test_the_command_line_overrides_the_environment_and_that_the_default(tmp_path: Path) -> None:
    environ = {"DNSFILTER_API_STATE_DIR": str(tmp_path), "DNSFILTER_API_LISTEN": "[::1]:1"}
    settings = parse_settings({"listen": "127.0.0.1:2"}, environ)
    assert (settings.listen, settings.metrics_listen) == ((Endpoint("127.0.0.1", 2),), Endpoint("127.0.0.1", 9154))
    assert settings.database == f"sqlite:///{tmp_path}/dnsfilter.sqlite3"
    assert (settings.token_path, settings.snapshot_dir) == (tmp_path / "admin-token", tmp_path / "snapshots")


def test_every_fault_is_reported_with_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    environ = {
        "DNSFILTER_API_STATE_DIR": str(file),
        "DNSFILTER_API_METRICS_LISTEN": "9154",
        "DNSFILTER_API_DATABASE": "mysql://user:secret@127.0.0.1/x",
        "DNSFILTER_API_LISTENS": "1",
    }
    with pytest.raises(ConfigError) as caught:
        parse_settings({"listen": "127.0.0.1:99999", "init_policy": str(tmp_path / "none.toml")}, environ)
    assert [problem.location for problem in caught.value.problems] == [
        "DNSFILTER_API_LISTENS",
        "DNSFILTER_API_STATE_DIR",
        "--listen",
        "DNSFILTER_API_METRICS_LISTEN",
        "DNSFILTER_API_DATABASE",
        "--init-policy",
    ]
    assert "secret" not in str(caught.value)


def test_every_fault_of_a_certificate_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nothing")
    given = {
        "state_dir": str(tmp_path),
        "tls_certificate": str(tmp_path / "none.pem"),
        "tls_key": str(tmp_path / "key.pem"),
        "allow_plain": "perhaps",
        "accept_damage": "perhaps",
    }
    with pytest.raises(ConfigError) as caught:
        parse_settings(given, {})
    assert [problem.location for problem in caught.value.problems] == [
        "--allow-plain",
        "--tls-certificate",
        "--tls-key",
        "--accept-damage",
    ]


def test_a_certificate_goes_with_its_key_and_not_with_a_socket_s_file(tmp_path: Path) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    Authority(tmp_path / "ca").issue(*files)
    pair = {"state_dir": str(tmp_path), "tls_certificate": str(files[0]), "tls_key": str(files[1])}
    assert parse_settings({**pair, "listen": "192.0.2.1:443"}, {}).tls == TlsFiles(*files)
    for wrong, message in (
        ({"tls_key": ""}, "--tls-certificate: needs --tls-key too"),
        ({"tls_certificate": ""}, "--tls-key: needs --tls-certificate too"),
        ({"listen": "unix:/run/api.sock"}, "has no TLS"),
        ({"tls_key": str(files[0])}, "--tls-key: .* holds no private key in PEM"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_settings({**pair, **wrong}, {})


@pytest.mark.parametrize("listen", ["192.0.2.1:8080", "[2001:db8::1]:8080", "0.0.0.0:8080", "[::]:8080", "host:8080"])
def test_plain_http_on_a_network_is_refused_unless_allowed(tmp_path: Path, listen: str) -> None:
    given = {"state_dir": str(tmp_path), "listen": listen}
    with pytest.raises(ConfigError, match="exposes tokens on the network"):
        parse_settings(given, {})
    assert parse_settings({**given, "allow_plain": "true"}, {}).listen == (parse_endpoint(listen),)
    assert parse_settings(given, {"DNSFILTER_API_ALLOW_PLAIN": "true"}).tls is None


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "127.1.2.3:0"])
def test_plain_http_on_loopback_is_fine(tmp_path: Path, listen: str) -> None:
    assert parse_settings({"state_dir": str(tmp_path), "listen": listen}, {}).listen == (parse_endpoint(listen),)


def test_several_addresses_are_listed_with_commas_and_each_fault_is_named(tmp_path: Path) -> None:
    given = {"state_dir": str(tmp_path), "allow_plain": "true"}
    variable = "DNSFILTER_API_LISTEN"
    found = parse_settings(given, {variable: "127.0.0.1:8080, [2001:db8::1]:8080,unix:/run/api.sock"})
    assert found.listen == (
        Endpoint("127.0.0.1", 8080),
        Endpoint("2001:db8::1", 8080),
        UnixSocket(Path("/run/api.sock")),
    )
    with pytest.raises(ConfigError) as caught:
        parse_settings({"state_dir": str(tmp_path)}, {variable: "192.0.2.1:8080,::1:8080,,[::1]:80,[::1]:80,a:b"})
    messages = [problem.message for problem in caught.value.problems]
    assert {problem.location for problem in caught.value.problems} == {variable}
    for message, words in zip(
        messages,
        ("plain HTTP on 192.0.2.1:8080", "'::1:8080' is not", "'' is not", "[::1]:80 overlaps [::1]:80", "'b' in"),
        strict=True,
    ):  # fmt: skip
        assert message.startswith(words)
    assert len(parse_settings(given, {variable: "0.0.0.0:8080,[::1]:8080"}).listen) == 2
    for listen in (
        "127.0.0.1:8080,0.0.0.0:8080", "[::]:8080,127.0.0.1:8080", "[::1]:8080,[::]:8080", "0.0.0.0:8080,[::]:8080",
    ):  # fmt: skip
        first, second = listen.split(",")
        with pytest.raises(ConfigError, match=re.escape(f"{second} overlaps {first}")):
            parse_settings(given, {variable: listen})
    with pytest.raises(ConfigError, match="has 17 addresses: give at most 16"):
        parse_settings(given, {variable: ",".join(["127.0.0.1:0"] * 17)})


def test_network_addresses_use_tls_and_loopback_next_to_them_is_plain(tmp_path: Path) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    Authority(tmp_path / "ca").issue(*files)
    pair = {"state_dir": str(tmp_path), "tls_certificate": str(files[0]), "tls_key": str(files[1])}

    def uses_tls(listen: str) -> list[bool]:
        found = parse_settings({**pair, "listen": listen}, {})
        return [found.uses_tls(where) for where in found.listen]

    assert uses_tls("127.0.0.1:8080,192.0.2.1:8080,[2001:db8::1]:443") == [False, True, True]
    assert uses_tls("127.0.0.1:8080,[::1]:8080") == [True, True]
    assert uses_tls("unix:/run/api.sock,192.0.2.1:8080") == [False, True]
    assert uses_tls("0.0.0.0:8080") == [True]


def test_a_unix_socket_is_named_by_its_absolute_path() -> None:
    assert parse_listen("unix:/run/api.sock") == UnixSocket(Path("/run/api.sock"))
    for text in ("unix:", "unix:api.sock", "unix:/run/", "unix:/" + 107 * "a"):
        with pytest.raises(ValueError, match="socket"):
            parse_listen(text)


@pytest.mark.parametrize("text", ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "::1:8080", "a:b", "a:-1", "a:65536"])
def test_invalid_endpoints_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        parse_endpoint(text)


def test_postgresql_is_accepted(tmp_path: Path) -> None:
    url = "postgresql+psycopg://127.0.0.1/dnsfilter"
    assert parse_settings({"state_dir": str(tmp_path), "database": url}, {}).database == url


def test_notices_have_their_own_mail_server_which_is_optional(tmp_path: Path) -> None:
    given = {"state_dir": str(tmp_path)}
    assert parse_settings(given, {}).notices_mail is None
    url = "smtp://192.0.2.25?from=dns@example.org"
    destination = MailDestination("192.0.2.25", 25, False, "dns@example.org", ())
    assert parse_settings({**given, "notices_mail": url}, {}).notices_mail == destination
    with pytest.raises(ConfigError) as caught:
        parse_settings(given, {"DNSFILTER_API_NOTICES_MAIL": "smtp://user:secret@192.0.2.25/?from=nobody"})
    assert [problem.location for problem in caught.value.problems] == ["DNSFILTER_API_NOTICES_MAIL"]
    assert "secret" not in str(caught.value)


def test_the_text_of_settings_hides_passwords(tmp_path: Path) -> None:
    url = "smtp://user:secret@192.0.2.25?from=dns@example.org&to=record@example.org"
    settings = parse_settings({"state_dir": str(tmp_path), "notices_mail": url, "checkpoint_mail": url}, {})
    assert settings.notices_mail is not None
    assert settings.notices_mail.login == Login("user", "secret")
    assert settings.checkpoint_destinations == (settings.notices_mail,)
    assert "secret" not in f"{settings!r} {settings}"
    database = "postgresql+psycopg://user:secret@127.0.0.1/dnsfilter"
    assert "secret" not in repr(parse_settings({"state_dir": str(tmp_path), "database": database}, {}))


@pytest.mark.parametrize("name", ["DNSFILTER_API_listen", "DNSFILTER_API_LISTENS", "DNSFILTER_API_"])
def test_unknown_variables_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({"state_dir": str(tmp_path)}, {name: "127.0.0.1:8080"})
    [problem] = caught.value.problems
    assert problem.location == name
    assert problem.message.startswith("unknown setting; known are DNSFILTER_API_STATE_DIR, ")


@pytest.mark.parametrize("key", ["tls_certificate", "tls_key"])
def test_a_wrong_file_without_its_counterpart_has_both_faults(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({"state_dir": str(tmp_path), key: str(tmp_path / "missing")}, {})
    other = "--tls-key" if key == "tls_certificate" else "--tls-certificate"
    found = [problem.message for problem in caught.value.problems]
    assert found == [f"cannot read {tmp_path / 'missing'}: No such file or directory", f"needs {other} too"]


@pytest.mark.parametrize("url", ["postgresql://dns@db.example.org:secret/x", "postgresql://dns@x:y@db:secret@db/x"])
def test_an_invalid_database_url_is_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="--database: not a database URL") as caught:
        parse_settings({"state_dir": str(tmp_path), "database": url}, {})
    assert "secret" not in str(caught.value)


def test_bytes_that_are_not_text_are_a_fault_of_their_setting(tmp_path: Path) -> None:
    environ = {f"DNSFILTER_API_{key}": "a\udcff" for key in ("LISTEN", "DATABASE", "INIT_POLICY", "TLS_KEY")}
    with pytest.raises(ConfigError) as caught:
        parse_settings({"state_dir": str(tmp_path)}, environ)
    assert {problem.location for problem in caught.value.problems} == set(environ)


def test_the_identity_provider_is_complete_or_absent(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a-secret\n")
    secret.chmod(0o640)
    given = {
        "state_dir": str(tmp_path),
        "console_url": "https://dnsfilter.example.org/",
        "oidc_issuer": "https://login.example.org/realm",
        "oidc_client_id": "dnsfilter",
        "oidc_client_secret_file": str(secret),
    }
    found = parse_settings(given, {}).identity_provider
    assert found == IdentityProvider(
        given["oidc_issuer"], "dnsfilter", secret, "preferred_username", None, "https://dnsfilter.example.org"
    )
    alone = {key: given[key] for key in ("state_dir", "console_url")}
    assert parse_settings(alone, {}).identity_provider is None
    for missing in ("console_url", "oidc_issuer", "oidc_client_id", "oidc_client_secret_file"):
        with pytest.raises(ConfigError, match=f"needs --{missing.replace('_', '-')} too"):
            parse_settings({**given, missing: ""}, {})


def test_every_fault_of_an_identity_provider_is_reported_at_once(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    given = {
        "state_dir": str(tmp_path),
        "console_url": "https://dnsfilter.example.org/console",
        "oidc_issuer": "http://login.example.org/realm",
        "oidc_client_id": "a client",
        "oidc_client_secret_file": str(secret),
        "oidc_claim": "",
        "oidc_domain": "@example.org",
    }
    with pytest.raises(ConfigError) as caught:
        parse_settings(given, {})
    assert [problem.location for problem in caught.value.problems] == [
        *("--console-url", "--oidc-client-id", "--oidc-client-secret-file", "--oidc-claim", "--oidc-domain"),
        "--oidc-issuer",
    ]
    for content, mode, message in (
        ("", 0o600, "is not a client secret"),
        ("two words", 0o600, "is not a client secret"),
        ("é", 0o600, "is not a client secret"),
        ("a" * 2000, 0o600, "is not a client secret"),
        ("a-secret", 0o644, "everybody on this machine may read"),
    ):
        secret.write_text(content)
        secret.chmod(mode)
        with pytest.raises(ConfigError, match=message) as caught:
            parse_settings(given, {})
        assert "two words" not in str(caught.value)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://127.0.0.1.example.org/",
        "https://",
        "https://user:secret@login.example.org/",
        "https://login.example.org/?realm=1",
        "https://login.example.org/#realm",
        "https://login.example.org:port/",
        "ftp://login.example.org/",
        "https://login.example.org/ realm",
        "https://[::1",
    ],
)
def test_an_issuer_that_is_not_safe_is_refused(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(ConfigError, match="is not an issuer"):
        parse_settings({"state_dir": str(tmp_path), "oidc_issuer": issuer}, {})
