"""The chart renders, Kubernetes' schemas accept it, and it names only what the programs have."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from api.settings import PREFIX, Endpoint, parse_settings
from dnsfilter.config.load import load_config
from tests.meta.project import PROJECT
from tests.support.certificates import Authority
from tests.support.deployed import api_paths, node_status, parse_command
from tests.support.dockerfile import image_users

CHART = PROJECT / "deploy" / "helm" / "dnsfilter"
VERSIONS = ("1.28", "1.37")
"""The oldest Kubernetes that Chart.yaml permits, and the newest whose schemas are installed."""
IMAGE = {"repository": "registry.example.org/dnsfilter", "tag": "0.1.0"}
PLAIN = {"image": IMAGE, "node": {"upstreams": ["192.0.2.1"]}}
ALL = {
    "image": IMAGE,
    "imagePullSecrets": [{"name": "registry"}],
    "node": {
        "upstreams": ["192.0.2.1", "2001:db8::1"],
        "hostIP": "192.0.2.53",
        "addresses": ["0.0.0.0", "[::]"],
        "key": "0" * 64,
        "caSecret": "office-ca",
        "config": '[[zone]]\nsuffix = "corp.example"\nservers = ["192.0.2.10"]\n',
        "nodeSelector": {"dns": "yes"},
        "tolerations": [{"operator": "Exists"}],
    },
    "controlPlane": {"env": {"DNSFILTER_API_EVENTS_SYSLOG": "tls://log.example.org"}, "envSecret": "passwords"},
    "serviceMonitors": {"enabled": True, "labels": {"release": "prometheus"}},
}
each_choice = pytest.mark.parametrize("values", [PLAIN, ALL], ids=["plain", "all"])
Object = dict[str, Any]


def render(values: Mapping[str, Any]) -> list[Object]:
    with helm.Chart.load(CHART) as chart:
        files = chart.render(dict(values), name="dns", namespace="office")
    return [read for text in files.values() for read in yaml.safe_load_all(text) if read]


def the(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, f"dns-{name}"))
    return found


def pod(objects: list[Object], kind: str, name: str) -> Object:
    return dict(the(objects, kind, name)["spec"]["template"]["spec"])


def pods(objects: list[Object]) -> Iterator[Object]:
    yield pod(objects, "DaemonSet", "node")
    yield pod(objects, "Deployment", "control-plane")


def ports_of(container: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container["ports"]}


@each_choice
def test_helm_finds_no_fault(values: Mapping[str, Any]) -> None:
    found = helm.lint(CHART, dict(values), strict=True)
    # The chart has no icon.
    assert [message for message in found["messages"] if message["error"] != "icon is recommended"] == []


@each_choice
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_schemas_accept_every_object(values: Mapping[str, Any], version: str) -> None:
    assert f'kubeVersion: ">={VERSIONS[0]}.0-0"' in (CHART / "Chart.yaml").read_text()
    objects = render(values)
    # No schema of the Prometheus operator is installed.
    known = [each for each in objects if each["kind"] != "ServiceMonitor"]
    assert len(known) >= 8
    for each in known:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": IMAGE},
        {**PLAIN, "image": {"repository": "dnsfilter", "tag": ""}},
        {**PLAIN, "node": {"upstreams": ["192.0.2.1"], "controlPlaneUrl": "http://192.0.2.2"}},
        {**PLAIN, "node": {"upstreams": ["192.0.2.1"], "adresses": ["0.0.0.0"]}},
        {**PLAIN, "controlPlane": {"env": {"API_LISTEN": "127.0.0.1:8080"}}},
    ],
)
def test_wrong_values_are_refused(wrong: Mapping[str, Any]) -> None:
    assert render(PLAIN)
    with pytest.raises(helm.HelmError):
        render(wrong)


@pytest.mark.parametrize(("left_out", "kinds"), [("node", {"Deployment"}), ("controlPlane", {"DaemonSet"})])
def test_each_half_can_be_left_out(left_out: str, kinds: set[str]) -> None:
    values: dict[str, Any] = {**PLAIN, left_out: {"enabled": False}}
    assert {each["kind"] for each in render(values)} & {"Deployment", "DaemonSet"} == kinds


def test_pods_are_restricted() -> None:
    objects = render(ALL)
    for each in pods(objects):
        assert each["automountServiceAccountToken"] is False
        assert each["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(each)
        for container in each["containers"]:
            context = each["securityContext"] | container["securityContext"]
            assert context["runAsNonRoot"] is True
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_processes_run_as_the_users_of_the_image() -> None:
    node, control_plane = pods(render(PLAIN))
    users = image_users()
    assert node["containers"][0]["securityContext"]["runAsUser"] == users["dnsfilter"]
    context = control_plane["securityContext"]
    assert context["runAsUser"] == context["fsGroup"] == users["dnsfilter-api"]
    (prepare,) = node["initContainers"]
    assert set(re.findall(r"-[og] (\S+)", prepare["args"][0])) == {"dnsfilter"}


@each_choice
def test_the_node_accepts_its_configuration(values: Mapping[str, Any], tmp_path: Path) -> None:
    objects = render(values)
    each = pod(objects, "DaemonSet", "node")
    (container,) = each["containers"]
    options = parse_command(container["args"])
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    text = the(objects, "ConfigMap", "node")["data"][options.config.name]
    assert mounted[str(options.config.parent)] == "config"
    ca = "/etc/dnsfilter-ca/ca.crt"
    assert (ca in text) is ("/etc/dnsfilter-ca" in mounted)
    file = tmp_path / "dnsfilter.toml"
    file.write_text(text.replace(ca, str(Authority(tmp_path).ca)))
    config = load_config(file, tmp_path / "resolv.conf")
    ports = ports_of(container)
    assert {endpoint.port for endpoint in config.listen} == {ports["dns-udp"], ports["dns-tcp"]}
    assert config.metrics_listen.port == ports["metrics"]
    assert str(config.state_dir) in mounted
    (prepare,) = each["initContainers"]
    written = set(re.findall(r"dnsfilter (?:\S+ )?(/var/lib/\S+)", prepare["args"][0]))
    assert written == {str(config.node_dir), str(config.control_plane.token)}


def test_the_machines_port_53_leads_to_the_node() -> None:
    (container,) = pod(render(ALL), "DaemonSet", "node")["containers"]
    found = {(port["hostPort"], port["protocol"], port["hostIP"]) for port in container["ports"] if "hostPort" in port}
    assert found == {(53, "UDP", "192.0.2.53"), (53, "TCP", "192.0.2.53")}


@each_choice
def test_the_control_plane_accepts_its_settings(values: Mapping[str, Any], tmp_path: Path) -> None:
    (container,) = pod(render(values), "Deployment", "control-plane")["containers"]
    assert parse_command(container["args"]).create
    given = {each["name"]: each.get("value", "postgresql+psycopg://a:b@db/dnsfilter") for each in container["env"]}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    Authority(tmp_path).issue(certificate, key)
    for name, made in ((f"{PREFIX}TLS_CERTIFICATE", certificate), (f"{PREFIX}TLS_KEY", key)):
        named = Path(given[name])
        assert (str(named.parent) in mounted, named.name) == (True, made.name)
        given[name] = str(made)
    settings = parse_settings({}, given)
    loopback, api = settings.listen
    assert isinstance(api, Endpoint)
    assert (loopback.loopback, settings.uses_tls(loopback), settings.uses_tls(api)) == (True, False, True)
    assert ports_of(container) == {"api": api.port, "metrics": settings.metrics_listen.port}
    assert str(settings.state_dir) in mounted
    secrets = [each["secretRef"]["name"] for each in container.get("envFrom", ())]
    assert secrets == ([] if values is PLAIN else ["passwords"])
    assert given["DNSFILTER_TOKEN_FILE"] == str(settings.token_path)


def test_nodes_reach_the_api_by_its_service() -> None:
    objects = render(PLAIN)
    (url,) = re.findall(r'url = "(\S+)"', the(objects, "ConfigMap", "node")["data"]["dnsfilter.toml"])
    service = the(objects, "Service", "control-plane")
    assert url == f"https://{service['metadata']['name']}.office.svc"
    assert {port["port"]: port["targetPort"] for port in service["spec"]["ports"]}[443] == "api"


def test_probes_ask_for_paths_that_the_programs_answer() -> None:
    node, control_plane = pods(render(PLAIN))
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    of_node = [node["containers"][0][kind]["httpGet"] for kind in kinds]
    of_api = [control_plane["containers"][0][kind]["httpGet"] for kind in kinds]
    assert {(probe["port"], node_status(probe["path"])) for probe in of_node} == {("metrics", 200)}
    assert {(probe["port"], probe["scheme"]) for probe in of_api} == {("api", "HTTPS")}
    assert {probe["path"] for probe in of_api} <= api_paths()
    # A node that is not ready must not be ended: it may serve an older policy.
    assert [probe["path"] for probe in of_node] == ["/healthz", "/healthz", "/readyz"]


def test_selectors_find_their_pods() -> None:
    objects = render(ALL)
    labels = {
        name: the(objects, kind, name)["spec"]["template"]["metadata"]["labels"]
        for kind, name in (("DaemonSet", "node"), ("Deployment", "control-plane"))
    }
    for name, own in labels.items():
        policy = the(objects, "NetworkPolicy", name)["spec"]
        service = the(objects, "Service", name)
        for selector in (policy["podSelector"]["matchLabels"], service["spec"]["selector"]):
            assert [other for other in labels.values() if selector.items() <= other.items()] == [own]
        monitor = the(objects, "ServiceMonitor", name)["spec"]["selector"]["matchLabels"]
        assert monitor.items() <= service["metadata"]["labels"].items()


def test_network_policies_name_ports_of_their_pods() -> None:
    objects = render(PLAIN)
    for kind, name in (("DaemonSet", "node"), ("Deployment", "control-plane")):
        ports = ports_of(pod(objects, kind, name)["containers"][0])
        ingress = the(objects, "NetworkPolicy", name)["spec"]["ingress"]
        assert {port["port"] for rule in ingress for port in rule["ports"]} == set(ports)
        assert [rule["ports"] for rule in ingress if "from" in rule] == [[{"port": "metrics"}]]


def test_jobs_have_the_names_by_which_alerts_ask() -> None:
    monitors = [each for each in render(ALL) if each["kind"] == "ServiceMonitor"]
    labels = [rule for each in monitors for rule in each["spec"]["endpoints"][0]["relabelings"]]
    jobs = {rule["replacement"] for rule in labels if rule["targetLabel"] == "job"}
    assert len([rule for rule in labels if rule["targetLabel"] == "instance"]) == len(monitors)
    config = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())
    assert jobs == {each["job_name"] for each in config["scrape_configs"]}
    (interval,) = {each["spec"]["endpoints"][0]["interval"] for each in monitors}
    assert interval == config["global"]["scrape_interval"]


def test_every_value_has_a_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    for part in ("node", "controlPlane"):
        assert set(values[part]) == set(schema[part]["properties"])
