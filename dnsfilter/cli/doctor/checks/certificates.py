"""The certificate of the control plane's API."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.policy.calendar import instant_text

WARN_DAYS = 14
DAY_S = 86_400


def certificates(subject: Subject) -> Outcome:
    """Find a certificate that ends soon. One that has ended is not trusted, which is a finding of the control plane."""
    found = subject.contact
    if found is None or not found.url.startswith("https:"):
        return Outcome(seen="the control plane is asked without TLS" if found else "there is no control plane")
    if found.ends_s is None:
        return Outcome(unseen="the certificate: the control plane must be reachable first")
    left = (found.ends_s - subject.now_s) / DAY_S
    text = f"the certificate of {found.url} ends in {left:.0f} days, at {instant_text(int(found.ends_s))}"
    if left >= WARN_DAYS:
        return Outcome(seen=text)
    advice = "renew it on the control plane's machine; dnsfilter-api reads the new files by itself within a minute"
    return Outcome((Finding(text, advice),))
