"""What the files hold is shown; a faulty value is left out."""

import tomlkit

from dnsfilter.cli.setup.present import Present, present_values

CONFIG = """\
listen = ["192.0.2.53"]
upstream.servers = "resolv.conf"
clients.learn_until = 2026-12-11
[[zone]]
suffix = "corp.local"
"""
POLICY = '[[authority]]\nslug = "ghent"\n[[range]]\nprefix = "192.0.2.0/24"\nlabel = "offices"\n'
MAIL = "#DNSFILTER_API_NOTICES_MAIL=smtp://a\nDNSFILTER_API_NOTICES_MAIL=smtps://user:word@mail.example:465?from=a@b&to=c@d\n"


def test_values_are_as_the_files_write_them() -> None:
    found = present_values(tomlkit.parse(CONFIG), tomlkit.parse(POLICY), MAIL)
    assert found == Present(
        listen=("192.0.2.53",),
        upstreams=("resolv.conf",),
        zones=("corp.local",),
        authorities={"ghent": {"slug": "ghent"}},
        networks={"192.0.2.0/24": "offices"},
        mail_server="mail.example:465",
        learning="2026-12-11",
        mail_from="a@b",
        mail_to="c@d",
    )
    assert "word" not in "".join(found.lines())


def test_faulty_and_missing_values_are_left_out() -> None:
    odd = tomlkit.parse('listen = 1\nupstream = 2\nzone = "x"\nclients = 3\n')
    unnamed = tomlkit.parse("[[authority]]\n[[range]]\n")
    assert present_values(odd, unnamed, "") == Present((), (), (), {}, {}, "")


def test_the_only_authority_is_meant() -> None:
    assert Present((), (), (), {"a": {}}, {}, "").slug == "a"
    assert Present((), (), (), {"a": {}, "b": {}}, {}, "").slug == ""
