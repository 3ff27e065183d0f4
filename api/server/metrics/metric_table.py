"""Every metric of the control plane: name, type, help, labels and the values of labels.

Collectors and `docs/reference/metrics.md` are made from this table. No label names a client, a range or a queried name.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from api.revisions.recent_changes import NEWEST, Change
from api.usage.state import CoverageState
from dnsfilter.policy.model import Mode
from dnsfilter.telemetry.metrics import PROCESS_START, Metric, MetricType

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
OF_BAN: Final = ("authority", "service")
OF_NODE: Final = ("node", "site")
IN_FORCE, WAITING = "in_force", "waiting"
RECEIVES, FAILS = "receives", "fails"

REQUESTS: Final = Metric(
    "dnsfilter_api_requests_total", MetricType.COUNTER, "Requests answered.", ("method", "route", "status")
)
REQUEST_DURATION: Final = Metric(
    "dnsfilter_api_request_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from a request's headers to the end of its answer.",
    ("method", "route"),
    BUCKETS_S,
)
DATABASE_REVISION: Final = Metric(
    "dnsfilter_api_database_revision", MetricType.GAUGE, "Revision of the policy as recorded."
)
PUBLISHED_REVISION: Final = Metric(
    "dnsfilter_api_published_revision", MetricType.GAUGE, "Revision of the last snapshot that was published."
)
PUBLISH_DURATION: Final = Metric(
    "dnsfilter_api_publish_duration_seconds", MetricType.SUMMARY, "Time to compile and store a snapshot."
)
PUBLISH_FAILURES: Final = Metric(
    "dnsfilter_api_publish_failures_total", MetricType.COUNTER, "Snapshots that failed to publish."
)
NODES: Final = Metric("dnsfilter_api_nodes", MetricType.GAUGE, "Nodes by state.", ("state",))
NODE_STATE: Final = Metric(
    "dnsfilter_api_node_state", MetricType.GAUGE, "Always 1, for each enrolled node in its current state.",
    (*OF_NODE, "state"),
)  # fmt: skip
NODE_REVISION: Final = Metric(
    "dnsfilter_api_node_revision",
    MetricType.GAUGE,
    "Revision that the node applies, according to its last report. Absent before its first report.",
    OF_NODE,
)
NODE_REPORT_AGE: Final = Metric(
    "dnsfilter_api_node_report_age_seconds",
    MetricType.GAUGE,
    "Time since the last report of the node. Absent before its first report.",
    OF_NODE,
)
BAN_INFO: Final = Metric(
    "dnsfilter_ban_info",
    MetricType.GAUGE,
    "Always 1. The labels are the reply of the ban, and the reference of the formal decision that it quotes.",
    (*OF_BAN, "reply", "reference"),
)
BAN_MODE: Final = Metric(
    "dnsfilter_ban_mode", MetricType.GAUGE, "Set to 1 for the mode of the ban, else 0.", (*OF_BAN, "mode")
)
BAN_IN_FORCE: Final = Metric(
    "dnsfilter_ban_in_force", MetricType.GAUGE, "Set to 1 while a term of the ban is in force, in any mode.", OF_BAN
)
BAN_END: Final = Metric(
    "dnsfilter_ban_end_timestamp_seconds",
    MetricType.GAUGE,
    "Unix time at which the ban ends, with the terms that continue it without a gap. Absent if open or not in force.",
    OF_BAN,
)
BAN_REVIEW: Final = Metric(
    "dnsfilter_ban_review_timestamp_seconds",
    MetricType.GAUGE,
    "Unix time by which the ban in force is to be reviewed. Absent if it ends before.",
    OF_BAN,
)
BAN_OFF_SINCE: Final = Metric(
    "dnsfilter_ban_off_since_timestamp_seconds",
    MetricType.GAUGE,
    "Unix time since which the ban is switched off. Absent in other modes.",
    OF_BAN,
)
CHANGE: Final = Metric(
    "dnsfilter_change_timestamp_seconds",
    MetricType.GAUGE,
    f"Unix time of a change of a ban, or of a suspension. Only the {NEWEST} newest, and of equal ones the last.",
    (*OF_BAN, "change"),
)
POLICY_CHANGED: Final = Metric(
    "dnsfilter_api_policy_changed_timestamp_seconds",
    MetricType.GAUGE,
    "Unix time of the last act that changed the policy. Absent before the first.",
)
EXEMPTIONS: Final = Metric(
    "dnsfilter_exemptions",
    MetricType.GAUGE,
    "Exemptions from bans of the authority, by state. One with weekly hours counts at any hour.",
    ("authority", "state"),
)
EXEMPTION_WAITING: Final = Metric(
    "dnsfilter_exemption_waiting_seconds",
    MetricType.GAUGE,
    "Waiting time of the oldest request for an exemption from a ban of the authority. Absent if none waits.",
    ("authority",),
)
RANGES: Final = Metric(
    "dnsfilter_ranges",
    MetricType.GAUGE,
    "Ranges of the authority, by whether their clients ask this resolver.",
    ("authority", "state"),
)
SUSPENDED: Final = Metric(
    "dnsfilter_suspended",
    MetricType.GAUGE,
    "Set to 1 while a suspension holds for the authority, or with an empty label for all.",
    ("authority",),
)
DATABASE_DAMAGED: Final = Metric(
    "dnsfilter_api_database_damaged",
    MetricType.GAUGE,
    "Set to 1 while the database's file or its audit log, with its hash chain, is known to be damaged.",
)
CHECKPOINT_AGE: Final = Metric(
    "dnsfilter_api_audit_checkpoint_age_seconds",
    MetricType.GAUGE,
    "Age of the newest checkpoint of the audit log. None is made while there are no new entries.",
)
CHECKPOINT_DESTINATIONS: Final = Metric(
    "dnsfilter_api_checkpoint_destinations",
    MetricType.GAUGE,
    "Destinations that are set for checkpoints. With 0, nothing outside this machine can prove the audit log.",
)
CHECKPOINTS_UNDELIVERED: Final = Metric(
    "dnsfilter_api_checkpoints_undelivered",
    MetricType.GAUGE,
    "Checkpoints of the audit log that the destination does not have yet.",
    ("destination",),
)
DELIVERED_AGE: Final = Metric(
    "dnsfilter_api_checkpoint_age_seconds",
    MetricType.GAUGE,
    "Age of the newest checkpoint that the destination has.",
    ("destination",),
)
CHECKPOINT_FAILURES: Final = Metric(
    "dnsfilter_api_checkpoint_failures_total",
    MetricType.COUNTER,
    "Failed attempts to send checkpoints to the destination.",
    ("destination",),
)
BACKUP_AGE: Final = Metric(
    "dnsfilter_api_backup_age_seconds",
    MetricType.GAUGE,
    "Age of the last backup that was sent completely. Absent if this installation has sent none.",
)
REFUSED_TOKENS: Final = Metric(
    "dnsfilter_api_refused_tokens_total",
    MetricType.COUNTER,
    "Authentication failures by reason; limited ones were not stored.",
    ("reason",),
)
NOTICES_WAITING: Final = Metric(
    "dnsfilter_api_notices_waiting", MetricType.GAUGE, "Notices that are not sent yet. Only with a mail server."
)
NOTICE_WAITING: Final = Metric(
    "dnsfilter_api_notice_waiting_seconds",
    MetricType.GAUGE,
    "Waiting time of the oldest notice that is not sent yet. Only with a mail server.",
)
NOTICES_GIVEN_UP: Final = Metric(
    "dnsfilter_api_notices_given_up",
    MetricType.GAUGE,
    "Notices that were abandoned: refused, tried for three days, or without an address. Only with a mail server.",
)
NOTICE_FAILURES: Final = Metric(
    "dnsfilter_api_notice_failures_total",
    MetricType.COUNTER,
    "Failed attempts to send a notice. Only with a mail server.",
)
EVENT_RECEIVERS: Final = Metric(
    "dnsfilter_api_event_receivers",
    MetricType.GAUGE,
    "Receivers of events by the result of the last attempt: webhooks, the file and the syslog server.",
    ("state",),
)
EVENT_WAITING: Final = Metric(
    "dnsfilter_api_event_waiting_seconds",
    MetricType.GAUGE,
    "Age of the oldest event that the receiver should have and does not have, or 0. Daily totals count from their due "
    "time.",
    ("receiver",),
)
EVENTS_PARKED: Final = Metric(
    "dnsfilter_api_events_parked_total",
    MetricType.COUNTER,
    "Events that the receiver rejected until they were left out, since it was added.",
    ("receiver",),
)
CERTIFICATE_EXPIRY: Final = Metric(
    "dnsfilter_api_certificate_expiry_timestamp_seconds",
    MetricType.GAUGE,
    "Unix time at which the certificate in use, or one of its chain, expires. Only with TLS.",
)
DISK_FREE: Final = Metric(
    "dnsfilter_api_state_disk_free_bytes",
    MetricType.GAUGE,
    "Space that the service can still use on the disk of its state directory.",
)
DISK_SIZE: Final = Metric(
    "dnsfilter_api_state_disk_size_bytes", MetricType.GAUGE, "Size of the disk of the state directory."
)
API_BUILD_INFO: Final = Metric(
    "dnsfilter_api_build_info", MetricType.GAUGE, "Always 1. The label is the running version.", ("version",)
)

API_METRICS: Final = (
    REQUESTS, REQUEST_DURATION, DATABASE_REVISION, PUBLISHED_REVISION, PUBLISH_DURATION, PUBLISH_FAILURES, NODES,
    NODE_STATE, NODE_REVISION, NODE_REPORT_AGE, BAN_INFO, BAN_MODE, BAN_IN_FORCE, BAN_END, BAN_REVIEW, BAN_OFF_SINCE,
    CHANGE, POLICY_CHANGED, EXEMPTIONS, EXEMPTION_WAITING, RANGES, SUSPENDED, DATABASE_DAMAGED, CHECKPOINT_AGE,
    CHECKPOINT_DESTINATIONS, CHECKPOINTS_UNDELIVERED, DELIVERED_AGE, CHECKPOINT_FAILURES, BACKUP_AGE, REFUSED_TOKENS,
    NOTICES_WAITING, NOTICE_WAITING, NOTICES_GIVEN_UP, NOTICE_FAILURES, EVENT_RECEIVERS, EVENT_WAITING, EVENTS_PARKED,
    CERTIFICATE_EXPIRY, DISK_FREE, DISK_SIZE, API_BUILD_INFO, PROCESS_START,
)  # fmt: skip

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
            Change.LAPSED: "a term ended, and no other continued it",
            Change.SUSPENDED: "a suspension started",
            Change.RESUMED: "a suspension ended",
        },
        (EXEMPTIONS.name, "state"): {
            IN_FORCE: "approved and in force",
            WAITING: "requested, not decided and not past its end",
        },
        (RANGES.name, "state"): {
            CoverageState.ASKING: "asked, and has not been silent for longer than usual",
            CoverageState.STOPPED: "silent for a week, or for three hours in which it asked in both weeks before",
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
        "service": "slug of the service that the ban covers; empty for a suspension",
        "reply": "`refused`, `nxdomain` or another reply of the policy",
        "reference": "reference of the decision behind the term in force, else of the last term or of the ban",
        "node": "name of an enrolled node",
        "site": "slug of the node's site",
        "receiver": "`file`, `syslog`, or `webhook/` and its number; at most 50 webhooks",
        "destination": "as for `dnsfilter_api_checkpoints_undelivered`",
        "method": "method of the request, or `other`",
        "route": "template of the path, or `unmatched`",
        "status": "status of the answer",
        "version": "the running version",
    }
)
"""Labels whose values are limited by the policy, the registered nodes or the API's description."""
