"""What `explain` says of a decision."""

from dnsfilter.policy.decide import Decision
from dnsfilter.policy.explain import unregistered_text


def decision_value(decision: Decision) -> dict[str, object]:
    """For JSON."""
    return {
        "verdict": decision.verdict,
        "authority": decision.authority,
        "ban": decision.ban,
        "service": decision.service,
        "bound": decision.bound,
        "monitored": sorted(decision.monitored),
        "exempted": sorted(decision.exempted),
        "admitted": decision.admitted,
    }


def decision_text(decision: Decision) -> str:
    """One line, for people."""
    if decision.authority is None:
        return unregistered_text(decision)
    because = "" if decision.ban is None else f" by ban {decision.ban} on {decision.service}"
    aside = f" (set aside: {', '.join(sorted(decision.exempted))})" if decision.exempted else ""
    return f"{decision.verdict}{because} for a client of {decision.authority}{aside}"
