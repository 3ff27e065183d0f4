"""Every command accepts --json and prints JSON."""

import io
import json
import shlex
from pathlib import Path

import pytest

from api.ctl.command import PROGRAM
from api.ctl.exit_codes import DONE, FOUND, WAITING
from api.ctl.operation import feeds
from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every
from tests.unit.api.catalogue.signed_files import signed, text_of, trust
from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.notices.support import with_mail
from tests.unit.api.updates.proposals import own_service, update_of

pytestmark = pytest.mark.heavy

COMMANDS = """
update list
update show 1
update object 1 akamaiedge.net --reason "half of the web"
update objections --service ghent:games
update withdraw ghent:games akamaiedge.net --reason "it is a mistake"
update accept 1
update reject 2 --reason "the source was cut off"
policy export
policy export --archive archive.zip
policy diff policy.toml
policy apply policy.toml
authority list
authority show ghent
authority onboard ghent
authority set harbour --kind agency --name nl=Haven --languages nl --contact ict@example.org
authority remove harbour
site add harbour --name Harbour
site set harbour --name Port
site list
site remove harbour
space allot ghent 192.0.2.0/24
space list
space withdraw 192.0.2.0/24
range add ghent 192.0.2.0/24 --funding public --audience staff
range list
range set 192.0.2.0/24 --audience public
range move diest 192.0.2.0/24 --dry-run
range import ranges.csv
range import ranges.csv --dry-run
range check ghent --own --site default
range remove 192.0.2.0/24
catalogue show
prohibited-list create diest prohibited-video --category video
catalogue load catalogue.json
prohibited-list decline diest prohibited-video zeta
service list
service show tiktok
service export vimeo --format hosts
service add diest:games games.example.org --name Games
service set diest:games --note "for schools"
service names diest:games --add play.example.net
service import diest:games games.txt
feed set diest:games https://lists.example.org/games.txt
feed show diest:games
feed fetch diest:games
feed remove diest:games
service remove diest:games
name refuse diest games.example.com --for "7 days" --reason "phishing"
name allow diest cdn.example.com --exact --reason "the portal needs it"
name list
name show diest cdn.example.com
name remove diest cdn.example.com --reason "it moved"
ban list
ban show ghent tiktok
ban adopt police-brussels-capital-ixelles tiktok --following federal/tiktok --legal-basis B-2 --reference R-2
ban set ghent facebook --provisional
ban renew ghent tiktok --start 2027-03-25 --for "1 month" --reference R-1
ban on ghent facebook
ban off ghent facebook --for "1 hour"
ban end ghent facebook --reason "no need"
ban set diest facebook --legal-basis B-1 --start 2027-01-01 --for "1 month"
ban remove diest facebook
authority set ghent --off-needs-approver yes
ban set ghent tiktok --mode off --for "1 hour" --token-file desk
request list
request show 1
request reject 1 --reason "no need"
ban set ghent tiktok --mode off --token-file desk
request withdraw 2 --reason "a mistake"
ban watch ghent tiktok --token-file desk
request approve 3
binding list
binding add diest federal/tiktok --ground agreement --instrument A-1 --date 2026-09-01 --for "3 months"
binding show 2
binding accept 2
binding set 1 --new-names-at-once no
binding withdraw 2 --reason "own decision"
binding end 1 --reason "annulled"
prohibited-list create diest prohibited-apps deepseek xiaohongshu
prohibited-list list
prohibited-list adopt diest prohibited-apps --legal-basis B-1 --reference R-1 --for "1 month"
prohibited-list add diest prohibited-apps lemon8 --legal-basis B-1 --reference R-2 --for "1 month"
list-link add ghent diest/prohibited-apps --ground agreement --instrument A-1 --date 2026-09-01
list-link list --list diest/prohibited-apps
list-link show 1
list-link accept 1
list-link withdraw 1 --reason "own decision"
list-link add ghent diest/prohibited-apps --ground following
list-link adopt 2 --legal-basis B-1 --reference R-1
list-link renew 2 --for "1 year" --reference R-2
list-link add federal diest prohibited-apps --ground law --instrument A-2 --date 2026-09-01
list-link set 3 --new-names-at-once yes
list-link end 3 --reason "annulled"
prohibited-list off diest prohibited-apps --for "1 hour"
prohibited-list watch diest prohibited-apps
prohibited-list on diest prohibited-apps
prohibited-list remove-service diest prohibited-apps lemon8 --reason "annulled"
prohibited-list renew diest prohibited-apps --for "1 month" --reference R-3
prohibited-list show diest prohibited-apps
prohibited-list report diest prohibited-apps --from 2026-09-01 --to 2026-09-21
prohibited-list end diest prohibited-apps --reason "annulled"
prohibited-list create diest prohibited-ai --category ai
prohibited-list remove diest prohibited-ai
name refuse diest example.com --reason "phishing, as reported" --for "7 days"
name allow diest cdn.example.net --reason "a page needs it"
name list
name show diest cdn.example.net
name remove diest example.com --reason "a mistake"
exemption list
exemption show 1
exemption ask ghent/tiktok 127.0.5.0/24 --for "1 day" --reason "a study"
exemption reject 3 --reason "no need"
exemption ask ghent/tiktok 127.0.5.0/24 --for "1 day" --reason "another"
exemption approve 4 --token-file another
exemption revoke 4 --reason "not used"
exemption ask ghent/tiktok 127.0.5.0/24 --for "1 day" --reason "a mistake"
exemption withdraw 5 --reason "found another way"
name refuse diest example.com --for 7d --reason "phishing"
name allow diest cdn.tiktok.com --reason "the museum needs it"
name list diest
name show diest example.com
name remove diest example.com
suspend start diest --for 30m --reason "nothing works"
suspend list
suspend show 1
suspend end diest --reason "it works again"
node register cellar
fleet add ghent "phones of staff" --funding partly_public --audience staff
fleet list ghent
fleet show ghent "phones of staff"
fleet profile ghent "phones of staff" --for android --server dns.example.org
fleet rotate ghent "phones of staff"
fleet end ghent "phones of staff"
node list
node show cellar
node token cellar
node key
node remove cellar
range check
notice list
notice test
webhook add https://siem.example.org/dnsfilter
webhook list
webhook remove 1
peer set harbour https://dns.example.org/v1/register/harbour \
    --key 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
peer list
peer show harbour
peer checkpoints harbour
peer checkpoints harbour --held
peer end harbour
capture start ghent 127.0.5.0/24 --for 10m --reason "a fault"
capture list
capture end 1 --reason "found it" --delete
ban report ghent tiktok --from 2026-03-01 --to 2026-09-01
ban study ghent --from 2026-03-01 --to 2026-09-01
usage show ghent
usage bypass ghent
coverage ghent
authority client-level ghent --until 2026-12-31 --purpose study --decision D-1 --legal-basis B-1 --consultation C-1 \
    --token-file own
usage clients ghent --token-file own
usage erase ghent --from 2026-03-01 --to 2026-09-01 --reason "no longer needed"
authority merge mechelen --into ghent --reason "a merger" --legal-basis "decree 2" --reference C-2 --dry-run
authority close diest --at 2027-01-01 --reason "it ceases to be"
explain 127.0.5.10 www.tiktok.com
who 127.0.5.10
trace 127.0.5.10 www.tiktok.com --at 2026-09-21T14:13:20Z
revision list
revision show 1
revision diff 1
revision nodes 1
revision rollback 1 --dry-run --reason check
audit list
audit export
audit checkpoint
audit checkpoint --held
audit checkpoints
audit checkpoints --held
audit verify record.jsonl
account list
account add desk --name "the desk"
account show desk
account disable desk
account enable desk
grant add ghent desk operator --for "1 month" --reason "for a test"
grant list
grant end 5 --reason "for a test"
token make --account desk --label test --for "1 day"
token make --account desk --label test --for "1 day" --out token
token list --account desk
token revoke 5 --account desk
failures list
account erase desk
login
whoami
console
logout
backup all.backup
completion bash
help times
restore all.backup --state-dir restored
version
status
"""
"""Commands in the order in which they run on one control plane with the example policy."""


VERBS = {parser.prog for parser in every(make_parser()) if parser.get_default("verb") is not None}


def _verb(words: list[str]) -> str:
    """Return the verb at the start of a command line."""
    two = " ".join([PROGRAM, *words[:2]])
    return two if two in VERBS else f"{PROGRAM} {words[0]}"


def test_every_command_prints_json(served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = served.plane.token
    with_mail(served.plane, 1, "network@example.org")
    # Nothing fetches here.
    monkeypatch.setattr(feeds, "WAIT_S", 0.0)
    (tmp_path / "another").write_text(served.plane.other())
    # An operator, because acts of an administrator need no approval.
    (tmp_path / "desk").write_text(served.plane.account("asker", ("operator", "ghent"))[1])
    (tmp_path / "own").write_text(served.plane.account("approver", ("approver", "ghent"))[1])
    for name in ("another", "desk", "own"):
        (tmp_path / name).chmod(0o600)
    (tmp_path / "games.txt").write_text("games.example.org\n")
    (tmp_path / "policy.toml").write_text(ctl("policy", "export").out)
    (tmp_path / "record.jsonl").write_text(ctl("audit", "export").out)
    trust(served.plane)
    (tmp_path / "catalogue.json").write_bytes(signed(1000, {"zeta": text_of("zeta", {1: ["zeta.example"]})}))
    (tmp_path / "ranges.csv").write_text("prefix,authority,funding,audience\n192.0.2.128/25,ghent,public,staff\n")
    for slug in ("ghent:games", "ghent:shops"):
        own_service(served.plane, "sample.example", slug=slug, authority="ghent")
        update_of(served.plane, "sample.example", "other.example", "akamaiedge.net", slug=slug)
    lines = [shlex.split(line) for line in COMMANDS.strip().splitlines()]
    for words in lines:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(token.encode())))
        done = ctl(*words, "--json")
        assert done.code in (DONE, FOUND, WAITING), (words, done.err)
        printed = json.loads(done.out)
        assert isinstance(printed, dict | list), words
        assert token not in done.out + done.err, words
    assert VERBS - {_verb(words) for words in lines} == set()
