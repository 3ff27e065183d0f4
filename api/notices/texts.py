"""What notices say, in each language. `{until}`, `{at}` and `{review}` stand for times in words: see `dates.py`.

A text has its subject, what happened or will happen, and what may be done. Each kind has the same placeholders in
every language. The name of a body stands in parentheses or quotation marks, where no article is missed.
"""

from collections.abc import Mapping

from api.notices import dutch, english, french, german
from api.notices.kinds import Kind
from api.notices.wording import Phrases, Text

FALLBACK = "en"

COMMANDS: Mapping[Kind, str] = {
    Kind.BAN_ENDING: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.BAN_REVIEW: "dnsfilterctl ban renew {authority} {slug} --review-by DATE --reference REFERENCE",
    Kind.PROVISIONAL_ENDING: "dnsfilterctl ban set {authority} {slug} --confirm --legal-basis BASIS "
    '--reference REFERENCE --for "6 months"',
    Kind.BAN_LAPSED: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.BAN_OFF: "dnsfilterctl ban show {authority} {slug}",
    Kind.BAN_MONITORED: "dnsfilterctl ban show {authority} {slug}",
    Kind.REQUEST_WAITING: "dnsfilterctl request show {number}",
    Kind.SOURCE_RENEWED: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.SOURCE_ENDED: "dnsfilterctl ban end {authority} {slug} --reason REASON",
    Kind.EXEMPTION_WAITING: "dnsfilterctl exemption show {number}",
    Kind.BINDING_PROPOSED: "dnsfilterctl binding accept {number}",
}
"""What to type, where a notice asks for something. It is the same in every language."""

_LANGUAGES = {"nl": dutch, "fr": french, "de": german, "en": english}
PHRASES: Mapping[str, Phrases] = {tag: language.PHRASES for tag, language in _LANGUAGES.items()}
TEXTS: Mapping[str, Mapping[Kind, Text]] = {tag: language.TEXTS for tag, language in _LANGUAGES.items()}
