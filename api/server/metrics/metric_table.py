"""Every metric of the control plane: name, type, help, labels and the values of labels.

Collectors and `docs/reference/metrics.md` are made from this table. No label names a client, a range or a queried name.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from api.feeds.failures import Failure
from api.feeds.state import REPEATED
from api.revisions.recent_changes import NEWEST, Change
from api.updates.schemas import UpdateState
from api.usage.state import CoverageState
from dnsfilter.policy.model import Mode
from dnsfilter.telemetry.metrics import PROCESS_START, Metric, MetricType

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
OF_BAN: Final = ("authority", "service")
OF_NODE: Final = ("node", "site")
IN_FORCE, WAITING = "in_force", "waiting"
RECEIVES, FAILS = "receives", "fails"


def _gauge(name: str, meaning: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(name, MetricType.GAUGE, meaning, labels)


def _counter(name: str, meaning: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(name, MetricType.COUNTER, meaning, labels)


REQUESTS: Final = _counter("dnsfilter_api_requests_total", "Requests answered.", ("method", "route", "status"))
REQUEST_DURATION: Final = Metric(
    "dnsfilter_api_request_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from a request's headers to the end of its answer.",
    ("method", "route"),
    BUCKETS_S,
)
DATABASE_REVISION: Final = _gauge("dnsfilter_api_database_revision", "Revision of the policy as recorded.")
PUBLISHED_REVISION: Final = _gauge(
    "dnsfilter_api_published_revision", "Revision of the last snapshot that was published."
)
PUBLISH_DURATION: Final = Metric(
    "dnsfilter_api_publish_duration_seconds", MetricType.SUMMARY, "Time to compile and store a snapshot."
)
PUBLISH_FAILURES: Final = _counter("dnsfilter_api_publish_failures_total", "Snapshots that failed to publish.")
NODES: Final = _gauge("dnsfilter_api_nodes", "Nodes by state.", ("state",))
NODE_STATE: Final = _gauge(
    "dnsfilter_api_node_state", "Always 1, for each enrolled node in its current state.", (*OF_NODE, "state")
)
NODE_REVISION: Final = _gauge(
    "dnsfilter_api_node_revision",
    "Revision that the node applies, according to its last report. Absent before its first report.",
    OF_NODE,
)
NODE_REPORT_AGE: Final = _gauge(
    "dnsfilter_api_node_report_age_seconds",
    "Time since the last report of the node. Absent before its first report.",
    OF_NODE,
)
BAN_INFO: Final = _gauge(
    "dnsfilter_ban_info",
    "Always 1. The labels are the reply of the ban, and the reference of the formal decision that it quotes.",
    (*OF_BAN, "reply", "reference"),
)
BAN_MODE: Final = _gauge("dnsfilter_ban_mode", "Set to 1 for the mode of the ban, else 0.", (*OF_BAN, "mode"))
BAN_IN_FORCE: Final = _gauge(
    "dnsfilter_ban_in_force", "Set to 1 while a term of the ban is in force, in any mode.", OF_BAN
)
BAN_END: Final = _gauge(
    "dnsfilter_ban_end_timestamp_seconds",
    "Unix time at which the ban ends, with the terms that continue it without a gap. Absent if open or not in force.",
    OF_BAN,
)
BAN_REVIEW: Final = _gauge(
    "dnsfilter_ban_review_timestamp_seconds",
    "Unix time by which the ban in force is to be reviewed. Absent if it ends before.",
    OF_BAN,
)
BAN_OFF_SINCE: Final = _gauge(
    "dnsfilter_ban_off_since_timestamp_seconds",
    "Unix time since which the ban is switched off. Absent in other modes.",
    OF_BAN,
)
CHANGE: Final = _gauge(
    "dnsfilter_change_timestamp_seconds",
    f"Unix time of a change of a ban, or of a suspension. Only the {NEWEST} newest, and of equal ones the last.",
    (*OF_BAN, "change"),
)
POLICY_CHANGED: Final = _gauge(
    "dnsfilter_api_policy_changed_timestamp_seconds",
    "Unix time of the last act that changed the policy. Absent before the first.",
)
EXEMPTIONS: Final = _gauge(
    "dnsfilter_exemptions",
    "Exemptions from bans of the authority, by state. One with weekly hours counts at any hour.",
    ("authority", "state"),
)
EXEMPTION_WAITING: Final = _gauge(
    "dnsfilter_exemption_waiting_seconds",
    "Waiting time of the oldest request for an exemption from a ban of the authority. Absent if none waits.",
    ("authority",),
)
UPDATES: Final = _gauge(
    "dnsfilter_updates",
    "Updates of the authority's own services, or with an empty label of the catalogue, that are held back or pending.",
    ("authority", "state"),
)
PENDING_NAMES: Final = _gauge(
    "dnsfilter_pending_names",
    "New names of the authority's own services, or of the catalogue, that are only monitored. Absent if none are.",
    ("authority",),
)
RANGES: Final = _gauge(
    "dnsfilter_ranges", "Ranges of the authority, by whether their clients ask this resolver.", ("authority", "state")
)
SUSPENDED: Final = _gauge(
    "dnsfilter_suspended",
    "Set to 1 while a suspension holds for the authority, or with an empty label for all.",
    ("authority",),
)
DATABASE_DAMAGED: Final = _gauge(
    "dnsfilter_api_database_damaged",
    "Set to 1 while the database's file or its audit log, with its hash chain, is known to be damaged.",
)
CHECKPOINT_AGE: Final = _gauge(
    "dnsfilter_api_audit_checkpoint_age_seconds",
    "Age of the newest checkpoint of the audit log. None is made while there are no new entries.",
)
CHECKPOINT_DESTINATIONS: Final = _gauge(
    "dnsfilter_api_checkpoint_destinations",
    "Destinations that are set for checkpoints. With 0, nothing outside this machine can prove the audit log.",
)
CHECKPOINTS_UNDELIVERED: Final = _gauge(
    "dnsfilter_api_checkpoints_undelivered",
    "Checkpoints of the audit log that the destination does not have yet.",
    ("destination",),
)
DELIVERED_AGE: Final = _gauge(
    "dnsfilter_api_checkpoint_age_seconds", "Age of the newest checkpoint that the destination has.", ("destination",)
)
CHECKPOINT_FAILURES: Final = _counter(
    "dnsfilter_api_checkpoint_failures_total",
    "Failed attempts to send checkpoints to the destination.",
    ("destination",),
)
BACKUP_AGE: Final = _gauge(
    "dnsfilter_api_backup_age_seconds",
    "Age of the last backup that was sent completely. Absent if this installation has sent none.",
)
REFUSED_TOKENS: Final = _counter(
    "dnsfilter_api_refused_tokens_total",
    "Authentication failures by reason; limited ones were not stored.",
    ("reason",),
)
CATALOGUE_REFUSED: Final = _counter(
    "dnsfilter_api_catalogue_refused_total", "Signed catalogues that were not loaded, by reason.", ("reason",)
)
NOTICES_WAITING: Final = _gauge(
    "dnsfilter_api_notices_waiting", "Notices that are not sent yet. Only with a mail server."
)
NOTICE_WAITING: Final = _gauge(
    "dnsfilter_api_notice_waiting_seconds",
    "Waiting time of the oldest notice that is not sent yet. Only with a mail server.",
)
NOTICES_GIVEN_UP: Final = _gauge(
    "dnsfilter_api_notices_given_up",
    "Notices that were abandoned: refused, tried for three days, or without an address. Only with a mail server.",
)
NOTICE_FAILURES: Final = _counter(
    "dnsfilter_api_notice_failures_total", "Failed attempts to send a notice. Only with a mail server."
)
EVENT_RECEIVERS: Final = _gauge(
    "dnsfilter_api_event_receivers",
    "Receivers of events by the result of the last attempt: webhooks, the file and the syslog server.",
    ("state",),
)
EVENT_WAITING: Final = _gauge(
    "dnsfilter_api_event_waiting_seconds",
    "Age of the oldest event that the receiver should have and does not have, or 0. Daily totals count from their due "
    "time.",
    ("receiver",),
)
EVENTS_PARKED: Final = _counter(
    "dnsfilter_api_events_parked_total",
    "Events that the receiver rejected until they were left out, since it was added.",
    ("receiver",),
)
FEED_AGE: Final = _gauge(
    "dnsfilter_api_feed_age_seconds",
    "Time since the feed was fetched without a failure, changed or not. Before that, since it was set.",
    OF_BAN,
)
FEED_FAILING: Final = _gauge(
    "dnsfilter_api_feed_failing", f"Set to 1 while the last {REPEATED} fetches of the feed, or more, failed.", OF_BAN
)
FEED_FAILURES: Final = _counter(
    "dnsfilter_api_feed_failures_total", "Failed fetches of feeds by reason, since this process started.", ("reason",)
)
PEER_AGE: Final = _gauge(
    "dnsfilter_api_peer_age_seconds",
    "Time since the register of the peer was read without a failure. Before that, since the peer was set.",
    ("peer",),
)
PEER_BROKEN: Final = _gauge(
    "dnsfilter_api_peer_broken",
    "Set to 1 while a checkpoint of the peer does not continue those that are held, until somebody begins again.",
    ("peer",),
)
CERTIFICATE_EXPIRY: Final = _gauge(
    "dnsfilter_api_certificate_expiry_timestamp_seconds",
    "Unix time at which the certificate in use, or one of its chain, expires. Only with TLS.",
)
DISK_FREE: Final = _gauge(
    "dnsfilter_api_state_disk_free_bytes", "Space that the service can still use on the disk of its state directory."
)
DISK_SIZE: Final = _gauge("dnsfilter_api_state_disk_size_bytes", "Size of the disk of the state directory.")
API_BUILD_INFO: Final = _gauge("dnsfilter_api_build_info", "Always 1. The label is the running version.", ("version",))

API_METRICS: Final = (
    *(found for found in list(vars().values()) if isinstance(found, Metric) and found is not PROCESS_START),
    PROCESS_START,
)

_STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "current": "reports, and applies the newest snapshot or has had it for at most ten seconds",
        "held": "applies an older snapshot that was selected on the node",
        "behind": "reports, but has not applied the newest snapshot for more than ten seconds",
        "silent": "has not reported for a minute",
        "waiting": "has not enrolled or not reported yet",
        "removed": "removed, and still listed",
    }
)
API_LABEL_VALUES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = MappingProxyType(
    {
        (NODES.name, "state"): _STATES,
        (NODE_STATE.name, "state"): _STATES,
        (BAN_MODE.name, "mode"): {
            Mode.ENFORCE: "queries are refused",
            Mode.MONITOR: "queries are counted and answered",
            Mode.OFF: "the ban has no effect",
        },
        (CHANGE.name, "change"): {
            Change.ADOPTED: "the ban was adopted, also provisionally",
            Change.CONFIRMED: "a provisional ban got its formal decision",
            Change.RENEWED: "the ban got a further term",
            Change.CHANGED: "reply, terms or scope were changed",
            Change.ENFORCE: "the mode became `enforce`, by an act or because it returned",
            Change.MONITOR: "the mode became `monitor`, by an act or because it returned",
            Change.OFF: "the ban was switched off",
            Change.ENDED: "an act ended the ban early",
            Change.REMOVED: "the ban was removed before it began",
            Change.BEGAN: "a term began after its act",
            Change.REFUSED: "a single name was refused",
            Change.ALLOWED: "a single name was allowed",
            Change.LAPSED: "a term ended, and no other continued it",
            Change.SUSPENDED: "a suspension started",
            Change.RESUMED: "a suspension ended",
        },
        (EXEMPTIONS.name, "state"): {
            IN_FORCE: "approved and in force",
            WAITING: "requested, not decided and not past its end",
        },
        (UPDATES.name, "state"): {
            UpdateState.HELD_BACK: "stopped by the guard until somebody decides; the names in force stay",
            UpdateState.PENDING: "in force, and its new names are only monitored",
        },
        (RANGES.name, "state"): {
            CoverageState.ASKING: "asked, and has not been silent for longer than usual",
            CoverageState.STOPPED: "silent for a week, or for three hours that were busy in both previous weeks",
            CoverageState.NEVER: "has never asked",
            CoverageState.NOT_COUNTED: "has fewer than 16 addresses, or the authority's level of usage is `none`",
        },
        (CHECKPOINTS_UNDELIVERED.name, "destination"): {
            "file": "the file of `--checkpoint-file`",
            "mail": "the mail address of `--checkpoint-mail`",
            "syslog": "the server of `--checkpoint-syslog`",
        },
        (EVENT_RECEIVERS.name, "state"): {
            RECEIVES: "the last attempt succeeded, or there was none",
            FAILS: "the last attempt failed, and is repeated",
        },
        (CATALOGUE_REFUSED.name, "reason"): {
            "no_key": "no key is trusted",
            "too_large": "the file is too large",
            "damaged": "the file is damaged, or no signed catalogue",
            "other_key": "signed under a key that is not trusted",
            "signature": "the signature is not valid",
            "not_newer": "older than the catalogue in force, or the same",
        },
        (FEED_FAILURES.name, "reason"): {
            Failure.CONNECTION: "the server has no address, or cannot be reached",
            Failure.CERTIFICATE: "the server's certificate is not valid",
            Failure.PRIVATE_ADDRESS: "the server is at a private address that the settings do not name",
            Failure.REDIRECT: "too many redirects, or one that is not followed",
            Failure.STATUS: "the server answered something else than a list",
            Failure.TIMEOUT: "the list was not complete in time",
            Failure.SIZE: "the list is too large, perhaps only after decompression",
            Failure.DAMAGED: "the answer is incomplete or not HTTP, or its compression is broken",
            Failure.FILE: "the file cannot be read, or is outside the directory of feeds",
            Failure.CONTENT: "the content is no list of names, such as a web page",
            Failure.POLICY: "the policy with these names cannot be published",
        },
        (REFUSED_TOKENS.name, "reason"): {
            "unknown": "no such token",
            "expired": "the token has expired",
            "revoked": "the token was revoked",
            "disabled": "the token's account is disabled",
            "limited": "not checked, because the sender failed too often",
        },
    }
)
"""(metric, label) -> value -> meaning, for labels whose values are fixed in the program."""

API_OPEN_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "authority": "slug of an authority; for suspensions empty for all. In metrics of bans and exemptions, "
        "the authority whose ban it is, until it closes",
        "service": "slug of the service that the ban covers, or the feed feeds; empty for a suspension",
        "reply": "`refused`, `nxdomain` or another reply of the policy",
        "reference": "reference of the decision behind the term in force, else of the last term or of the ban",
        "node": "name of an enrolled node",
        "site": "slug of the node's site",
        "receiver": "`file`, `syslog`, or `webhook/` and its number; at most 50 webhooks",
        "peer": "name of another installation whose checkpoints are held here; at most 100",
        "destination": "as for `dnsfilter_api_checkpoints_undelivered`",
        "method": "method of the request, or `other`",
        "route": "template of the path, or `unmatched`",
        "status": "status of the answer",
        "version": "the running version",
    }
)
"""Labels whose values are limited by the policy, the registered nodes or the API's description."""
