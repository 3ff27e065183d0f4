"""Connection tracking of the kernel: a full table drops queries before the node sees them."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject

COUNT, MOST = "proc/sys/net/netfilter/nf_conntrack_count", "proc/sys/net/netfilter/nf_conntrack_max"
ENTRIES = "proc/net/nf_conntrack"
FULL = 0.5
"""The share of the table in use from which this is a finding: a burst of clients fills the rest within seconds."""
UNTRACK = (
    "nft 'add table inet untracked; "
    "add chain inet untracked in { type filter hook prerouting priority raw; }; "
    "add chain inet untracked out { type filter hook output priority raw; }; "
    "add rule inet untracked in fib daddr type local udp dport 53 notrack; "
    "add rule inet untracked out udp sport 53 notrack'"
)
"""Only for queries to this machine: a router must track those that it translates for others."""
REDIRECTS = "With dnsfilter firewall --redirect, which needs these entries, or to gain time"


def conntrack(subject: Subject) -> Outcome:
    """Find a table that is more than half full. Report whether queries are in it."""
    count, most = subject.number(COUNT), subject.number(MOST)
    if count is None or not most:
        return Outcome(seen="the kernel tracks no connections")
    lines = (subject.text(ENTRIES) or "").splitlines()
    queries = sum(" dport=53 " in line for line in lines)
    tracked = f"{queries} of the first {len(lines)} entries are queries to port 53" if lines else "entries not readable"
    text = f"{count} of {most} entries of connection tracking are in use; {tracked}"
    if count < FULL * most:
        return Outcome(seen=text)
    more = f"sysctl net.netfilter.nf_conntrack_max={4 * most}"
    return Outcome((Finding(text, f"type {UNTRACK}, so that queries take no entry. {REDIRECTS}: {more}"),))
