"""The certificate of the control plane's API."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.policy.calendar import instant_text

WARN_DAYS = 14
DAY_S = 86_400
RENEW = (
    "on the control plane's machine replace the files that DNSFILTER_API_TLS_CERTIFICATE and DNSFILTER_API_TLS_KEY in "
    "/etc/dnsfilter/api.env name; dnsfilter-api reads them by itself within a minute"
)


def certificates(subject: Subject) -> Outcome:
    """Find a certificate that has ended or ends soon."""
    found = subject.contact
    if found is None or not found.url.startswith("https:"):
        return Outcome(seen="the control plane is asked without TLS" if found else "there is no control plane")
    if found.ends_s is None:
        return Outcome(unseen="the certificate: the control plane must be reachable first")
    left, at = (found.ends_s - subject.now_s) / DAY_S, instant_text(int(found.ends_s))
    text = f"the certificate of {found.url} " + (f"ends in {left:.0f} days, at {at}" if left > 0 else f"ended at {at}")
    if left >= WARN_DAYS:
        return Outcome(seen=text)
    return Outcome((Finding(text, RENEW),))
