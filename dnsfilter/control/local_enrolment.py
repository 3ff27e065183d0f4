"""Register and enrol the node of a machine that runs the control plane too, with the administrator's token."""

import json
from http import HTTPStatus
from pathlib import Path

from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control.enrolment import enrol
from dnsfilter.control.http_client import Answer, ControlClient, refusal
from dnsfilter.control.identity import Identity, load_identity, load_token
from dnsfilter.errors import UnavailableError

NAME = "this-machine"


def join(control: ControlPlane, directory: Path, administrator: Path) -> None:
    """Register and enrol this machine's node, unless the control plane knows it already.

    The file `administrator` contains a token with that permission. Raise UnavailableError if registration fails.
    """
    with ControlClient(control) as client:
        identity = load_identity(directory)
        if identity is not None and _is_known(client, identity):
            return
        token = load_token(administrator)
        answer = _post(client, token, "/v1/nodes", {"name": NAME, "site": control.site})
        if answer.status == HTTPStatus.CONFLICT:  # another start registered it, and its identity is lost
            answer = _post(client, token, f"/v1/nodes/{NAME}/enrolment", {})
        if answer.status != HTTPStatus.CREATED:
            raise UnavailableError(f"register {NAME} at {control.url}: it answers with {refusal(answer)}")
        one_time = _one_time_token(answer, control)
    enrol(control, one_time, directory, allow_plain=True)  # the connection does not leave this machine


def _is_known(client: ControlClient, identity: Identity) -> bool:
    answer = client.ask("GET", "/v1/nodes/self/snapshot?wait=0", identity.token)
    return answer.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def _post(client: ControlClient, token: str, path: str, value: dict[str, str]) -> Answer:
    kind = {"Content-Type": "application/json"}
    return client.ask("POST", path, token, headers=kind, body=json.dumps(value).encode())


def _one_time_token(answer: Answer, control: ControlPlane) -> str:
    try:
        return str(json.loads(answer.body)["enrolment_token"])
    except (ValueError, LookupError, TypeError) as error:
        raise UnavailableError(f"register {NAME} at {control.url}: its answer contains no token") from error
