"""The packaged catalogue: names that its entries match or must not match, and their sources."""

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

import pytest

from blocklists.catalogue import Catalogue, Entry, load_catalogue
from blocklists.guard import load_guard
from dnsfilter.policy.model import DEFAULT_TIERS, Service
from dnsfilter.wire.names import parse_name, suffixes

CATALOGUE = load_catalogue()
GUARD = load_guard()
DEMANDED = (
    "tiktok",
    "capcut",
    "lemon8",
    "pangle",
    "encrypted_dns",
    "facebook",
    "instagram",
    "x",
    "snapchat",
    "whatsapp",
    "telegram",
    "discord",
    "pinterest",
    "reddit",
    "linkedin",
    "youtube",
    "twitch",
    "threads",
    "bereal",
    "tumblr",
    "signal",
    "vk",
    "spotify",
    "zoom",
    "openai",
    "anthropic",
    "alibaba",
    "alipay",
    "baidu",
    "bilibili",
    "deepseek",
    "dji",
    "doubao",
    "hikvision",
    "huawei",
    "kaspersky",
    "minimax",
    "moomoo",
    "moonshot",
    "pinduoduo",
    "qwen",
    "rt",
    "shein",
    "sputnik",
    "stepfun",
    "temu",
    "tiger_brokers",
    "webull",
    "wechat",
    "weibo",
    "xiaomi",
    "yandex",
    "zhipu",
)


def matches(service: Service, name: str, tiers: frozenset[int] = DEFAULT_TIERS) -> bool:
    """Return whether an entry of those tiers covers the name, on label boundaries."""
    wire = parse_name(name)
    return any(
        wire in tier.hosts or any(suffix in tier.domains for suffix in suffixes(wire))
        for tier in service.tiers
        if tier.number in tiers
    )


def services_hit(catalogue: Catalogue, name: str) -> set[str]:
    every_tier = frozenset(range(1, 10))
    return {service.slug for service in catalogue.services if matches(service, name, every_tier)}


@pytest.mark.parametrize("slug", DEMANDED)
def test_service_has_texts_and_a_first_tier(slug: str) -> None:
    entry = CATALOGUE.entry(slug)
    assert entry.tiers[0].number == 1
    assert entry.tiers[0].names


@pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: entry.slug)
def test_no_entry_hits_the_guard(entry: Entry) -> None:
    assert [str(violation) for violation in GUARD.violations(entry.service())] == []


@pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: entry.slug)
def test_every_name_has_a_source_and_occurs_once_in_the_service(entry: Entry) -> None:
    names = [name for tier in entry.tiers for name in tier.names]
    ids = {source.id for source in entry.sources}
    assert all(name.sources and set(name.sources) <= ids for name in names)
    assert len({name.wire for name in names}) == len(names) == entry.names_count


@pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: entry.slug)
def test_names_are_sorted_so_that_a_correction_is_one_line(entry: Entry) -> None:
    for tier in entry.tiers:
        for exact in (False, True):
            texts = [name.text for name in tier.names if name.exact is exact]
            assert texts == sorted(texts)


@pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: entry.slug)
def test_service_has_the_unchanged_names_of_the_entry(entry: Entry) -> None:
    service = entry.service()
    assert [tier.number for tier in service.tiers] == [tier.number for tier in entry.tiers]
    for tier, shown in zip(service.tiers, entry.tiers, strict=True):
        assert tier.domains == {parse_name(name.text) for name in shown.names if not name.exact}
        assert tier.hosts == {parse_name(name.text) for name in shown.names if name.exact}


@pytest.mark.parametrize(
    "name",
    [
        "tiktok.com",
        "www.TikTok.com",
        "vm.tiktok.com",
        "m.tiktok.com",
        "mon.tiktokv.com",
        "api16-normal-useast5.tiktokv.us",
        "tiktokv.eu",
        "api16-normal-no1a.tiktokv.eu",
        "mcs-ie.tiktokw.eu",
        "v16-webapp-prime.tiktokcdn-eu.com",
        "p16-sign.tiktokcdn-eu.com",
        "p16.tiktokeu-cdn.com",
        "lf16-tiktok-web.ttwstatic.com",
        "pull-f5-tt01.ttlivecdn.com",
        "api.tik-tokapi.com",
        "musical.ly",
        "api2.musical.ly",
        "v19.muscdn.com",
        "www.isnssdk.com",
        "tiktokcdn-eu.com.akamaized.net",
        "x.tiktokv.com.edgekey.net",
        "analytics.tiktok.com.bytewlb.akadns.net",
        "p16-tiktokcdn-com.akamaized.net",
        "tiktok.bytedance.map.fastly.net",
        "p16-sign-va.ibyteimg.com",
        "sf16-scmcdn-va.ibytedtos.com",
        "log.byteoversea.com",
        "v16.ttoverseaus.net",
        "api.tiktok.com.ttdns2.com",
        "video.h1.bytedance.map.fastly.net",
    ],
)
def test_tiktok_default_tiers_match(name: str) -> None:
    assert matches(CATALOGUE.entry("tiktok").service(), name)


@pytest.mark.parametrize(
    "name",
    [
        "nottiktok.com",
        "tiktok.com.example.org",
        "com",
        "akamai.net",
        "a1.g.akamai.net",
        "edgekey.net",
        "www.example.org.edgekey.net",
        "akamaized.net",
        "x.p16-tiktokcdn-com.akamaized.net",
        "map.fastly.net",
        "wsdvs.com",
        "aliyuncs.com",
        "myqcloud.com",
        "bdydns.com",
        "www.qq.com",
        "mail.proton.me",
        "deepseek.ai",
        "bytedance.akadns.net",
        "app-measurement.com",
        "apple-dns.net",
        "yahoodns.net",
        "belgium.be",
        "www.belgium.be",
        "dns.belnet.be",
        "unfiltered.joindns4.eu",
        "protective.joindns4.eu",
        "mask.icloud.com",
        "commons.host",
        "www.google.com",
        "storage.googleapis.com",
        "teams.cloud.microsoft",
        "login.microsoftonline.com",
        "www.skype.com",
        "d111111abcdef8.cloudfront.net",
        "host.livekit.cloud",
        "browser-intake-datadoghq.com",
        "www.youtube",
        "example.org",
    ],
)
def test_no_tier_of_any_service_matches(name: str) -> None:
    assert services_hit(CATALOGUE, name) == set()


@pytest.mark.parametrize(
    "name", ["tt.fun", "tt.inc", "tt.online", "tt.site", "tiktok.net", "tiktok.ru", "tlivecdn.com"]
)
def test_tiktok_names_of_unchecked_owners_are_included_only_on_request(name: str) -> None:
    service = CATALOGUE.entry("tiktok").service()
    assert not matches(service, name)
    assert matches(service, name, frozenset({3}))


@pytest.mark.parametrize(
    ("name", "slugs"),
    [
        ("www.capcut.com", {"capcut"}),
        ("www.lemon8-app.com", {"lemon8"}),
        ("api.pangle.io", {"pangle"}),
        ("www.tiktokpangle.us", {"pangle"}),
        ("www.douyin.com", {"douyin"}),
        ("dns.google", {"encrypted_dns"}),
        ("8888.google", {"encrypted_dns"}),
        ("abc123.dns.nextdns.io", {"encrypted_dns"}),
        ("dns.quad9.net", {"encrypted_dns"}),
        ("www.quad9.net", set()),
        ("www.facebook.com", {"facebook"}),
        ("static.xx.fbcdn.net", {"facebook"}),
        ("edge-chat.facebook.com", {"facebook", "messenger"}),
        ("www.instagram.com", {"instagram"}),
        ("web.whatsapp.com", {"whatsapp"}),
        ("www.threads.net", {"threads"}),
        ("www.oculus.com", {"oculus"}),
        ("www.meta.ai", {"meta"}),
        ("t.co", {"x"}),
        ("pbs.twimg.com", {"x"}),
        ("grok.x.com", {"x", "grok"}),
        ("app.snapchat.com", {"snapchat"}),
        ("t.me", {"telegram"}),
        ("i.ytimg.com", {"youtube"}),
        ("youtu.be", {"youtube"}),
        ("chatgpt.com", {"chatgpt", "openai"}),
        ("claude.ai", {"anthropic"}),
        ("meet.google.com", set()),
        ("chat.google.com", {"google_chat"}),
        ("chat.deepseek.com", {"deepseek"}),
        ("nl.aliexpress.com", {"alibaba"}),
        ("world.taobao.com", {"alibaba"}),
        ("dashscope.aliyuncs.com", {"qwen"}),
        ("www.temu.com", {"temu"}),
        ("nl.shein.com", {"shein"}),
        ("web.wechat.com", {"wechat"}),
        ("mp.weixin.qq.com", {"wechat"}),
        ("www.kimi.com", {"moonshot"}),
        ("dnl-01.geo.kaspersky.com", {"kaspersky"}),
        ("www.rt.com", {"rt"}),
        ("fr.sputniknews.com", {"sputnik"}),
    ],
)
def test_name_belongs_to_these_services_and_no_other(name: str, slugs: set[str]) -> None:
    assert services_hit(CATALOGUE, name) == slugs


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("youtube", "lh3.ggpht.com"),
        ("twitch", "stream.live-video.net"),
        ("kakaotalk", "www.kakaobank.com"),
        ("line", "linemobile.com"),
        ("meta", "www.reactjs.org"),
        ("facebook", "groups.com"),
        ("alibaba", "img.alicdn.com"),
        ("alibaba", "registry.npmmirror.com"),
        ("baidu", "bj.bcebos.com"),
        ("huawei", "obs.eu-west-101.myhuaweicloud.com"),
        ("huawei", "www.huaweicloud.com"),
        ("yandex", "console.yandex.cloud"),
    ],
)
def test_default_tiers_do_not_match_names_that_others_need(slug: str, name: str) -> None:
    service = CATALOGUE.entry(slug).service()
    assert not matches(service, name)
    assert matches(service, name, frozenset({3, 4}))


@pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: entry.slug)
def test_no_name_is_only_a_suffix_of_a_country_or_network(entry: Entry) -> None:
    second_level = re.compile(r"(com?|net|org|gov|ac|edu)\.[a-z]{2}")
    assert [name.text for tier in entry.tiers for name in tier.names if second_level.fullmatch(name.text)] == []


def test_entry_of_an_unknown_slug_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        CATALOGUE.entry("no-such-service")


def test_services_are_ordered_by_slug_and_unique() -> None:
    slugs = [service.slug for service in CATALOGUE.services]
    assert slugs == sorted(set(slugs))


@pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: entry.slug)
def test_addresses_are_public_and_none_lies_in_another(entry: Entry) -> None:
    prefixes = [address.prefix for address in entry.addresses]
    assert [str(prefix) for prefix in prefixes if not prefix.is_global] == []
    v4 = [prefix for prefix in prefixes if isinstance(prefix, IPv4Network)]
    v6 = [prefix for prefix in prefixes if isinstance(prefix, IPv6Network)]
    assert sum(each.num_addresses for each in v4) == sum(each.num_addresses for each in collapse_addresses(v4))
    assert sum(each.num_addresses for each in v6) == sum(each.num_addresses for each in collapse_addresses(v6))


def test_only_encrypted_dns_and_tiktok_have_addresses() -> None:
    assert {entry.slug for entry in CATALOGUE.entries if entry.addresses} == {"encrypted_dns", "tiktok"}
