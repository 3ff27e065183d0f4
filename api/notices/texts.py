"""What notices say, in each language. `{until}`, `{at}` and `{review}` stand for times in words: see `dates.py`.

A text has its subject, what happened or will happen, and what may be done. Each kind has the same placeholders in
every language. The name of a body stands in parentheses or quotation marks, where no article is missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from api.notices.kinds import Kind

FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """A notice in one language: subject, what, and what to do; the last may be empty."""

    subject: str
    what: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Words of one language that several notices have. `own_…` is how far a ban of one's own reaches."""

    ban: str
    reference: str
    everybody: str
    own_until: str
    own_lapsed: str
    own_review: str
    own_endless: str
    endless: str
    resumes: str


COMMANDS: Mapping[Kind, str] = {
    Kind.BAN_ENDING: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.BAN_REVIEW: "dnsfilterctl ban renew {authority} {slug} --review-by DATE --reference REFERENCE",
    Kind.PROVISIONAL_ENDING: "dnsfilterctl ban set {authority} {slug} --confirm --legal-basis BASIS "
    '--reference REFERENCE --for "6 months"',
    Kind.BAN_LAPSED: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.SOURCE_RENEWED: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.SOURCE_ENDED: "dnsfilterctl ban end {authority} {slug} --reason REASON",
    Kind.EXEMPTION_WAITING: "dnsfilterctl exemption show {number}",
    Kind.BINDING_PROPOSED: "dnsfilterctl binding accept {number}",
}
"""What to type, where a notice asks for something. It is the same in every language."""

PHRASES: Mapping[str, Phrases] = {
    "nl": Phrases(
        ban="Verbod",
        reference="Referentie",
        everybody="alle overheden",
        own_until="Uw eigen beslissing verandert daardoor niet: ze geldt {until}.",
        own_lapsed="Uw eigen beslissing verandert daardoor niet: ze gold {until} en is vervallen.",
        own_review="Uw eigen beslissing verandert daardoor niet: ze wordt {review} herbekeken.",
        own_endless="Uw eigen beslissing verandert daardoor niet: ze heeft geen einddatum.",
        endless="zonder einddatum",
        resumes="Een volgende termijn begint {at}.",
    ),
    "fr": Phrases(
        ban="Interdiction",
        reference="Référence",
        everybody="toutes les autorités",
        own_until="Votre propre décision n'en est pas modifiée : elle s'applique {until}.",
        own_lapsed="Votre propre décision n'en est pas modifiée : elle s'est appliquée {until} et a expiré.",
        own_review="Votre propre décision n'en est pas modifiée : elle sera réexaminée {review}.",
        own_endless="Votre propre décision n'en est pas modifiée : elle n'a pas d'échéance.",
        endless="sans échéance",
        resumes="Une nouvelle période commence {at}.",
    ),
    "de": Phrases(
        ban="Verbot",
        reference="Referenz",
        everybody="alle Behörden",
        own_until="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie gilt {until}.",
        own_lapsed="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie galt {until} und ist ausgelaufen.",
        own_review="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie wird {review} überprüft.",
        own_endless="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie ist unbefristet.",
        endless="unbefristet",
        resumes="Ein weiterer Zeitraum beginnt {at}.",
    ),
    "en": Phrases(
        ban="Ban",
        reference="Reference",
        everybody="all authorities",
        own_until="Your own decision is not changed by that: it applies {until}.",
        own_lapsed="Your own decision is not changed by that: it applied {until} and has lapsed.",
        own_review="Your own decision is not changed by that: it is to be reviewed {review}.",
        own_endless="Your own decision is not changed by that: it has no end.",
        endless="without an end",
        resumes="A further term begins {at}.",
    ),
}

_DUTCH: Mapping[Kind, Text] = {
    Kind.BAN_ENDING: Text(
        "het verbod op {service} loopt af ({until})",
        "Het verbod op {service} ({body}) geldt nog {until}. Daarna vervalt het vanzelf.",
        "Om het voort te zetten, verlengt u het met een nieuwe beslissing:",
    ),
    Kind.BOUND_BAN_ENDING: Text(
        "een verbod op {service} dat ook voor u geldt, loopt af ({until})",
        "Het verbod op {service} ({body}), dat ook voor u geldt, loopt {until}. Daarna vervalt het vanzelf.",
        "U hoeft niets te doen. Over een verlenging beslist de overheid die het verbod heeft uitgesproken.",
    ),
    Kind.BAN_REVIEW: Text(
        "het verbod op {service} moet worden herbekeken ({review})",
        "Het verbod op {service} ({body}) heeft geen einddatum, maar moet {review} worden herbekeken.",
        "Na de evaluatie legt u de nieuwe beslissing vast, of beëindigt u het verbod:",
    ),
    Kind.BOUND_BAN_REVIEW: Text(
        "een verbod op {service} dat ook voor u geldt, wordt herbekeken ({review})",
        "Het verbod op {service} ({body}), dat ook voor u geldt, wordt {review} herbekeken.",
        "U hoeft niets te doen. Over het vervolg beslist de overheid die het verbod heeft uitgesproken.",
    ),
    Kind.PROVISIONAL_ENDING: Text(
        "het voorlopige verbod op {service} vervalt ({until})",
        "Het voorlopige verbod op {service} ({body}) geldt nog {until}. Zonder beslissing vervalt het vanzelf.",
        "Om het te behouden, bevestigt u het met de rechtsgrond en een termijn:",
    ),
    Kind.BAN_LAPSED: Text(
        "het verbod op {service} is vervallen",
        "Het verbod op {service} ({body}) gold {until} en is vervallen. Er wordt niets meer op grond daarvan "
        "geweigerd of geteld. {resumes}",
        "Om het opnieuw te laten gelden, is een nieuwe beslissing nodig:",
    ),
    Kind.BOUND_BAN_LAPSED: Text(
        "een verbod op {service} dat ook voor u gold, is vervallen",
        "Het verbod op {service} ({body}) gold {until}, ook voor u, en is vervallen. Er wordt niets meer op grond "
        "daarvan geweigerd of geteld. {resumes}",
    ),
    Kind.SOURCE_RENEWED: Text(
        "het verbod op {service} dat u hebt overgenomen, is verlengd",
        "Het verbod op {service} ({source}), dat u met een eigen beslissing hebt overgenomen, is verlengd ({until}). "
        "{own}",
        "Wilt u ook uw verbod verlengen, dan is daarvoor een eigen beslissing nodig:",
    ),
    Kind.SOURCE_ENDED: Text(
        "het verbod op {service} dat u hebt overgenomen, is vervroegd beëindigd",
        "Het verbod op {service} ({source}), dat u met een eigen beslissing hebt overgenomen, is vervroegd beëindigd: "
        "het geldt {until}. {own}",
        "Wilt u ook uw verbod beëindigen, dan is daarvoor een eigen beslissing nodig:",
    ),
    Kind.EXEMPTION_WAITING: Text(
        "een aanvraag tot vrijstelling van het verbod op {service} wacht op uw beslissing",
        "Vrijstelling {number} van het verbod op {service} ({body}) werd {at} aangevraagd en wacht op uw beslissing. "
        "Tot dan heeft ze geen gevolg.",
        "Wie in uw naam beslist, bekijkt de aanvraag en keurt ze goed (approve) of af (reject):",
    ),
    Kind.EXEMPTION_APPROVED: Text(
        "de vrijstelling van het verbod op {service} is goedgekeurd",
        "Vrijstelling {number} van het verbod op {service} ({body}) werd {at} goedgekeurd. Ze geldt {until}.",
    ),
    Kind.EXEMPTION_REJECTED: Text(
        "de vrijstelling van het verbod op {service} is afgewezen",
        "Vrijstelling {number} van het verbod op {service} ({body}) werd {at} afgewezen. Het verbod blijft gelden.",
    ),
    Kind.EXEMPTION_REVOKED: Text(
        "de vrijstelling van het verbod op {service} is ingetrokken",
        "Vrijstelling {number} van het verbod op {service} ({body}) werd {at} ingetrokken. Het verbod geldt opnieuw.",
    ),
    Kind.EXEMPTION_ENDING: Text(
        "de vrijstelling van het verbod op {service} loopt af ({until})",
        "Vrijstelling {number} van het verbod op {service} ({body}) geldt nog {until}. Daarna geldt het verbod "
        "opnieuw.",
        "Is de vrijstelling ook daarna nodig, vraag dan tijdig een nieuwe aan.",
    ),
    Kind.SUSPENSION_STARTED: Text(
        "de verboden zijn opgeschort voor {scope}",
        "Alle verboden zijn {at} opgeschort voor {scope}: er wordt niets geweigerd. De opschorting eindigt vanzelf "
        "en duurt {until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "de opschorting voor {scope} is vervroegd beëindigd",
        "De opschorting voor {scope} is {at} vervroegd beëindigd. De verboden gelden opnieuw.",
    ),
    Kind.BINDING_PROPOSED: Text(
        "voorstel om het verbod op {service} ook bij u te laten gelden",
        "Er is voorgesteld om het verbod op {service} ({body}) bij overeenkomst {number} ook bij u te laten gelden, "
        "met begin {at}. Zolang u niet aanvaardt, heeft het voorstel geen gevolg.",
        "Om te aanvaarden:",
    ),
    Kind.BINDING_BY_LAW: Text(
        "het verbod op {service} geldt ook bij u",
        "Het verbod op {service} ({body}) geldt op grond van de regelgeving ook bij u, met begin {at} (binding "
        "{number}).",
    ),
    Kind.BINDING_ACCEPTED: Text(
        "uw verbod op {service} is aanvaard ({bound})",
        "Overeenkomst {number} werd {at} aanvaard: het verbod op {service} ({body}) geldt ook bij een andere overheid "
        "({bound}).",
    ),
    Kind.BINDING_WITHDRAWN: Text(
        "de overeenkomst over het verbod op {service} is opgezegd ({bound})",
        "Overeenkomst {number} over het verbod op {service} ({body}) is opgezegd door de andere overheid ({bound}), "
        "met ingang {at}.",
    ),
    Kind.BINDING_ENDED: Text(
        "het verbod op {service} geldt niet langer bij u",
        "Binding {number} is beëindigd, met ingang {at}: het verbod op {service} ({body}) geldt dan niet langer bij u.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "de verboden zijn op resolver {node} opgeschort voor {scope}",
        "Op resolver {node} (locatie {site}) zijn alle verboden ter plaatse opgeschort voor {scope}: er wordt daar "
        "niets geweigerd. De opschorting eindigt vanzelf en duurt {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "resolver {node} laat niets meer van zich horen",
        "Resolver {node} (locatie {site}) heeft voor het laatst {at} iets van zich laten horen. Hij kan nog werken "
        "met de regels die hij heeft, maar krijgt geen wijzigingen.",
        "Kijk na of de machine werkt en de beheerserver kan bereiken.",
    ),
    Kind.NODE_BEHIND: Text(
        "resolver {node} werkt met oude regels",
        "Resolver {node} (locatie {site}) werkt nog niet met de wijziging die {at} van kracht werd.",
        "Kijk in het logboek van de machine waarom hij de nieuwe regels niet overneemt.",
    ),
    Kind.NODE_BACK: Text(
        "resolver {node} werkt weer met de geldende regels",
        "Resolver {node} (locatie {site}) is bereikbaar en werkt weer met de geldende regels.",
    ),
}

_FRENCH: Mapping[Kind, Text] = {
    Kind.BAN_ENDING: Text(
        "l'interdiction visant {service} arrive à échéance ({until})",
        "L'interdiction visant {service} ({body}) s'applique encore {until}. Elle expirera ensuite d'elle-même.",
        "Pour la maintenir, renouvelez-la par une nouvelle décision :",
    ),
    Kind.BOUND_BAN_ENDING: Text(
        "une interdiction visant {service} qui vous lie arrive à échéance ({until})",
        "L'interdiction visant {service} ({body}), qui vous lie aussi, s'applique {until}. Elle expirera ensuite "
        "d'elle-même.",
        "Vous n'avez rien à faire. Un renouvellement relève de l'autorité qui a pris l'interdiction.",
    ),
    Kind.BAN_REVIEW: Text(
        "l'interdiction visant {service} doit être réexaminée ({review})",
        "L'interdiction visant {service} ({body}) n'a pas d'échéance, mais doit être réexaminée {review}.",
        "Après l'évaluation, enregistrez la nouvelle décision ou mettez fin à l'interdiction :",
    ),
    Kind.BOUND_BAN_REVIEW: Text(
        "une interdiction visant {service} qui vous lie sera réexaminée ({review})",
        "L'interdiction visant {service} ({body}), qui vous lie aussi, sera réexaminée {review}.",
        "Vous n'avez rien à faire. La suite relève de l'autorité qui a pris l'interdiction.",
    ),
    Kind.PROVISIONAL_ENDING: Text(
        "l'interdiction provisoire visant {service} expire bientôt ({until})",
        "L'interdiction provisoire visant {service} ({body}) s'applique encore {until}. Sans décision, elle expirera "
        "d'elle-même.",
        "Pour la maintenir, confirmez-la avec sa base légale et une durée :",
    ),
    Kind.BAN_LAPSED: Text(
        "l'interdiction visant {service} a expiré",
        "L'interdiction visant {service} ({body}) s'est appliquée {until} et a expiré. Plus rien n'est refusé ni "
        "compté sur cette base. {resumes}",
        "Pour qu'elle s'applique à nouveau, une nouvelle décision est nécessaire :",
    ),
    Kind.BOUND_BAN_LAPSED: Text(
        "une interdiction visant {service} qui vous liait a expiré",
        "L'interdiction visant {service} ({body}) s'est appliquée {until}, chez vous aussi, et a expiré. Plus rien "
        "n'est refusé ni compté sur cette base. {resumes}",
    ),
    Kind.SOURCE_RENEWED: Text(
        "l'interdiction visant {service} que vous aviez reprise a été renouvelée",
        "L'interdiction visant {service} ({source}), que vous aviez reprise par une décision propre, a été renouvelée "
        "({until}). {own}",
        "Si vous souhaitez renouveler la vôtre aussi, une décision propre est nécessaire :",
    ),
    Kind.SOURCE_ENDED: Text(
        "l'interdiction visant {service} que vous aviez reprise prend fin plus tôt",
        "Il a été mis fin anticipativement à l'interdiction visant {service} ({source}), que vous aviez reprise par "
        "une décision propre : elle s'applique {until}. {own}",
        "Si vous souhaitez mettre fin à la vôtre aussi, une décision propre est nécessaire :",
    ),
    Kind.EXEMPTION_WAITING: Text(
        "une demande de dérogation à l'interdiction visant {service} attend votre décision",
        "La dérogation {number} à l'interdiction visant {service} ({body}) a été demandée {at} et attend votre "
        "décision. D'ici là, elle est sans effet.",
        "La personne qui décide en votre nom examine la demande, puis l'approuve (approve) ou la rejette (reject) :",
    ),
    Kind.EXEMPTION_APPROVED: Text(
        "la dérogation à l'interdiction visant {service} est approuvée",
        "La dérogation {number} à l'interdiction visant {service} ({body}) a été approuvée {at}. Elle s'applique "
        "{until}.",
    ),
    Kind.EXEMPTION_REJECTED: Text(
        "la dérogation à l'interdiction visant {service} est rejetée",
        "La dérogation {number} à l'interdiction visant {service} ({body}) a été rejetée {at}. L'interdiction reste "
        "d'application.",
    ),
    Kind.EXEMPTION_REVOKED: Text(
        "la dérogation à l'interdiction visant {service} est révoquée",
        "La dérogation {number} à l'interdiction visant {service} ({body}) a été révoquée {at}. L'interdiction "
        "s'applique à nouveau.",
    ),
    Kind.EXEMPTION_ENDING: Text(
        "la dérogation à l'interdiction visant {service} arrive à échéance ({until})",
        "La dérogation {number} à l'interdiction visant {service} ({body}) s'applique encore {until}. Ensuite, "
        "l'interdiction s'appliquera à nouveau.",
        "Si la dérogation reste nécessaire, demandez-en une nouvelle à temps.",
    ),
    Kind.SUSPENSION_STARTED: Text(
        "les interdictions sont suspendues pour {scope}",
        "Toutes les interdictions ont été suspendues {at} pour {scope} : rien n'est refusé. La suspension prend fin "
        "d'elle-même et dure {until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "la suspension pour {scope} a pris fin plus tôt",
        "Il a été mis fin anticipativement, {at}, à la suspension pour {scope}. Les interdictions s'appliquent à "
        "nouveau.",
    ),
    Kind.BINDING_PROPOSED: Text(
        "proposition d'appliquer aussi chez vous l'interdiction visant {service}",
        "Il est proposé d'appliquer aussi chez vous, par la convention {number}, l'interdiction visant {service} "
        "({body}), à partir de cette date : {at}. Tant que vous n'acceptez pas, la proposition est sans effet.",
        "Pour accepter :",
    ),
    Kind.BINDING_BY_LAW: Text(
        "l'interdiction visant {service} s'applique aussi chez vous",
        "En vertu de la réglementation, l'interdiction visant {service} ({body}) s'applique aussi chez vous, à partir "
        "de cette date : {at} (lien {number}).",
    ),
    Kind.BINDING_ACCEPTED: Text(
        "votre interdiction visant {service} est acceptée ({bound})",
        "La convention {number} a été acceptée {at} : l'interdiction visant {service} ({body}) s'applique aussi à une "
        "autre autorité ({bound}).",
    ),
    Kind.BINDING_WITHDRAWN: Text(
        "la convention sur l'interdiction visant {service} est dénoncée ({bound})",
        "La convention {number} sur l'interdiction visant {service} ({body}) a été dénoncée par l'autre autorité "
        "({bound}), avec effet {at}.",
    ),
    Kind.BINDING_ENDED: Text(
        "l'interdiction visant {service} ne s'applique plus chez vous",
        "Il a été mis fin au lien {number}, avec effet {at} : l'interdiction visant {service} ({body}) ne s'applique "
        "alors plus chez vous.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "les interdictions sont suspendues sur le résolveur {node} pour {scope}",
        "Sur le résolveur {node} (site {site}), toutes les interdictions ont été suspendues sur place pour {scope} : "
        "rien n'y est refusé. La suspension prend fin d'elle-même et dure {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "le résolveur {node} ne donne plus signe de vie",
        "Le résolveur {node} (site {site}) a donné signe de vie pour la dernière fois {at}. Il peut encore fonctionner "
        "avec les règles dont il dispose, mais ne reçoit pas les modifications.",
        "Vérifiez que la machine fonctionne et qu'elle atteint le serveur de gestion.",
    ),
    Kind.NODE_BEHIND: Text(
        "le résolveur {node} fonctionne avec d'anciennes règles",
        "Le résolveur {node} (site {site}) n'applique pas encore la modification entrée en vigueur {at}.",
        "Cherchez dans le journal de la machine pourquoi elle ne reprend pas les nouvelles règles.",
    ),
    Kind.NODE_BACK: Text(
        "le résolveur {node} applique à nouveau les règles en vigueur",
        "Le résolveur {node} (site {site}) est joignable et applique à nouveau les règles en vigueur.",
    ),
}

_GERMAN: Mapping[Kind, Text] = {
    Kind.BAN_ENDING: Text(
        "das Verbot von {service} läuft aus ({until})",
        "Das Verbot von {service} ({body}) gilt noch {until}. Danach läuft es von selbst aus.",
        "Um es fortzuführen, verlängern Sie es mit einer neuen Entscheidung:",
    ),
    Kind.BOUND_BAN_ENDING: Text(
        "ein Verbot von {service}, das auch für Sie gilt, läuft aus ({until})",
        "Das Verbot von {service} ({body}), das auch für Sie gilt, läuft {until}. Danach läuft es von selbst aus.",
        "Sie brauchen nichts zu tun. Über eine Verlängerung entscheidet die Behörde, die das Verbot erlassen hat.",
    ),
    Kind.BAN_REVIEW: Text(
        "das Verbot von {service} ist zu überprüfen ({review})",
        "Das Verbot von {service} ({body}) ist unbefristet, aber {review} zu überprüfen.",
        "Nach der Überprüfung tragen Sie die neue Entscheidung ein oder beenden das Verbot:",
    ),
    Kind.BOUND_BAN_REVIEW: Text(
        "ein Verbot von {service}, das auch für Sie gilt, wird überprüft ({review})",
        "Das Verbot von {service} ({body}), das auch für Sie gilt, wird {review} überprüft.",
        "Sie brauchen nichts zu tun. Über den Fortgang entscheidet die Behörde, die das Verbot erlassen hat.",
    ),
    Kind.PROVISIONAL_ENDING: Text(
        "das vorläufige Verbot von {service} läuft aus ({until})",
        "Das vorläufige Verbot von {service} ({body}) gilt noch {until}. Ohne Entscheidung läuft es von selbst aus.",
        "Um es beizubehalten, bestätigen Sie es mit der Rechtsgrundlage und einer Dauer:",
    ),
    Kind.BAN_LAPSED: Text(
        "das Verbot von {service} ist ausgelaufen",
        "Das Verbot von {service} ({body}) galt {until} und ist ausgelaufen. Auf seiner Grundlage wird nichts mehr "
        "verweigert oder gezählt. {resumes}",
        "Damit es wieder gilt, ist eine neue Entscheidung nötig:",
    ),
    Kind.BOUND_BAN_LAPSED: Text(
        "ein Verbot von {service}, das auch für Sie galt, ist ausgelaufen",
        "Das Verbot von {service} ({body}) galt {until}, auch für Sie, und ist ausgelaufen. Auf seiner Grundlage wird "
        "nichts mehr verweigert oder gezählt. {resumes}",
    ),
    Kind.SOURCE_RENEWED: Text(
        "das von Ihnen übernommene Verbot von {service} wurde verlängert",
        "Das Verbot von {service} ({source}), das Sie mit einer eigenen Entscheidung übernommen haben, wurde "
        "verlängert ({until}). {own}",
        "Möchten Sie auch Ihr Verbot verlängern, ist dafür eine eigene Entscheidung nötig:",
    ),
    Kind.SOURCE_ENDED: Text(
        "das von Ihnen übernommene Verbot von {service} endet vorzeitig",
        "Das Verbot von {service} ({source}), das Sie mit einer eigenen Entscheidung übernommen haben, wurde "
        "vorzeitig beendet: Es gilt {until}. {own}",
        "Möchten Sie auch Ihr Verbot beenden, ist dafür eine eigene Entscheidung nötig:",
    ),
    Kind.EXEMPTION_WAITING: Text(
        "ein Antrag auf Befreiung vom Verbot von {service} wartet auf Ihre Entscheidung",
        "Die Befreiung {number} vom Verbot von {service} ({body}) wurde {at} beantragt und wartet auf Ihre "
        "Entscheidung. Bis dahin hat sie keine Wirkung.",
        "Wer in Ihrem Namen entscheidet, prüft den Antrag und genehmigt ihn (approve) oder lehnt ihn ab (reject):",
    ),
    Kind.EXEMPTION_APPROVED: Text(
        "die Befreiung vom Verbot von {service} wurde genehmigt",
        "Die Befreiung {number} vom Verbot von {service} ({body}) wurde {at} genehmigt. Sie gilt {until}.",
    ),
    Kind.EXEMPTION_REJECTED: Text(
        "die Befreiung vom Verbot von {service} wurde abgelehnt",
        "Die Befreiung {number} vom Verbot von {service} ({body}) wurde {at} abgelehnt. Das Verbot gilt weiter.",
    ),
    Kind.EXEMPTION_REVOKED: Text(
        "die Befreiung vom Verbot von {service} wurde widerrufen",
        "Die Befreiung {number} vom Verbot von {service} ({body}) wurde {at} widerrufen. Das Verbot gilt wieder.",
    ),
    Kind.EXEMPTION_ENDING: Text(
        "die Befreiung vom Verbot von {service} läuft aus ({until})",
        "Die Befreiung {number} vom Verbot von {service} ({body}) gilt noch {until}. Danach gilt das Verbot wieder.",
        "Wird die Befreiung auch danach gebraucht, beantragen Sie rechtzeitig eine neue.",
    ),
    Kind.SUSPENSION_STARTED: Text(
        "die Verbote sind ausgesetzt für {scope}",
        "Alle Verbote wurden {at} ausgesetzt für {scope}: Es wird nichts verweigert. Die Aussetzung endet von selbst "
        "und dauert {until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "die Aussetzung für {scope} wurde vorzeitig beendet",
        "Die Aussetzung für {scope} wurde {at} vorzeitig beendet. Die Verbote gelten wieder.",
    ),
    Kind.BINDING_PROPOSED: Text(
        "Vorschlag, das Verbot von {service} auch bei Ihnen anzuwenden",
        "Es wird vorgeschlagen, das Verbot von {service} ({body}) durch Vereinbarung {number} auch bei Ihnen "
        "anzuwenden, beginnend {at}. Solange Sie nicht annehmen, hat der Vorschlag keine Wirkung.",
        "Um anzunehmen:",
    ),
    Kind.BINDING_BY_LAW: Text(
        "das Verbot von {service} gilt auch bei Ihnen",
        "Das Verbot von {service} ({body}) gilt aufgrund gesetzlicher Vorschrift auch bei Ihnen, beginnend {at} "
        "(Bindung {number}).",
    ),
    Kind.BINDING_ACCEPTED: Text(
        "Ihr Verbot von {service} wurde angenommen ({bound})",
        "Die Vereinbarung {number} wurde {at} angenommen: Das Verbot von {service} ({body}) gilt auch bei einer "
        "anderen Behörde ({bound}).",
    ),
    Kind.BINDING_WITHDRAWN: Text(
        "die Vereinbarung über das Verbot von {service} wurde gekündigt ({bound})",
        "Die Vereinbarung {number} über das Verbot von {service} ({body}) wurde von der anderen Behörde ({bound}) "
        "gekündigt. Wirksam wird dies {at}.",
    ),
    Kind.BINDING_ENDED: Text(
        "das Verbot von {service} gilt nicht mehr bei Ihnen",
        "Die Bindung {number} wurde beendet. Wirksam wird dies {at}: Das Verbot von {service} ({body}) gilt dann nicht "
        "mehr bei Ihnen.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "die Verbote sind auf dem Resolver {node} ausgesetzt für {scope}",
        "Auf dem Resolver {node} (Standort {site}) wurden alle Verbote vor Ort ausgesetzt für {scope}: Es wird dort "
        "nichts verweigert. Die Aussetzung endet von selbst und dauert {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "der Resolver {node} meldet sich nicht mehr",
        "Der Resolver {node} (Standort {site}) hat sich zuletzt {at} gemeldet. Er kann mit den Regeln, die er hat, "
        "weiterarbeiten, bekommt aber keine Änderungen.",
        "Prüfen Sie, ob die Maschine läuft und den Verwaltungsserver erreicht.",
    ),
    Kind.NODE_BEHIND: Text(
        "der Resolver {node} arbeitet mit alten Regeln",
        "Der Resolver {node} (Standort {site}) arbeitet noch nicht mit der Änderung, die {at} in Kraft trat.",
        "Sehen Sie im Protokoll der Maschine nach, warum sie die neuen Regeln nicht übernimmt.",
    ),
    Kind.NODE_BACK: Text(
        "der Resolver {node} arbeitet wieder mit den geltenden Regeln",
        "Der Resolver {node} (Standort {site}) ist erreichbar und arbeitet wieder mit den geltenden Regeln.",
    ),
}

_ENGLISH: Mapping[Kind, Text] = {
    Kind.BAN_ENDING: Text(
        "the ban on {service} is ending ({until})",
        "The ban on {service} ({body}) still applies {until}. It then lapses by itself.",
        "To go on with it, renew it by a new decision:",
    ),
    Kind.BOUND_BAN_ENDING: Text(
        "a ban on {service} that applies to you too is ending ({until})",
        "The ban on {service} ({body}), which applies to you too, runs {until}. It then lapses by itself.",
        "You need not do anything. Whether it is renewed is decided by the authority that adopted it.",
    ),
    Kind.BAN_REVIEW: Text(
        "the ban on {service} is to be reviewed ({review})",
        "The ban on {service} ({body}) has no end, but is to be reviewed {review}.",
        "After the review, record the new decision, or end the ban:",
    ),
    Kind.BOUND_BAN_REVIEW: Text(
        "a ban on {service} that applies to you too is reviewed ({review})",
        "The ban on {service} ({body}), which applies to you too, is to be reviewed {review}.",
        "You need not do anything. What follows is decided by the authority that adopted it.",
    ),
    Kind.PROVISIONAL_ENDING: Text(
        "the provisional ban on {service} is about to lapse ({until})",
        "The provisional ban on {service} ({body}) still applies {until}. Without a decision it lapses by itself.",
        "To keep it, confirm it with its legal basis and a term:",
    ),
    Kind.BAN_LAPSED: Text(
        "the ban on {service} has lapsed",
        "The ban on {service} ({body}) applied {until} and has lapsed. Nothing is refused or counted because of it any "
        "more. {resumes}",
        "For it to apply again, a new decision is needed:",
    ),
    Kind.BOUND_BAN_LAPSED: Text(
        "a ban on {service} that applied to you too has lapsed",
        "The ban on {service} ({body}) applied {until}, to you too, and has lapsed. Nothing is refused or counted "
        "because of it any more. {resumes}",
    ),
    Kind.SOURCE_RENEWED: Text(
        "the ban on {service} that you adopted has been renewed",
        "The ban on {service} ({source}), which you adopted by a decision of your own, has been renewed ({until}). "
        "{own}",
        "To renew your ban too, a decision of your own is needed:",
    ),
    Kind.SOURCE_ENDED: Text(
        "the ban on {service} that you adopted ends early",
        "The ban on {service} ({source}), which you adopted by a decision of your own, has been ended early: it "
        "applies {until}. {own}",
        "To end your ban too, a decision of your own is needed:",
    ),
    Kind.EXEMPTION_WAITING: Text(
        "a request for an exemption from the ban on {service} waits for your decision",
        "Exemption {number} from the ban on {service} ({body}) was asked for {at} and waits for your decision. Until "
        "then it has no effect.",
        "Whoever decides for you looks at the request, and approves or rejects it:",
    ),
    Kind.EXEMPTION_APPROVED: Text(
        "the exemption from the ban on {service} has been approved",
        "Exemption {number} from the ban on {service} ({body}) was approved {at}. It applies {until}.",
    ),
    Kind.EXEMPTION_REJECTED: Text(
        "the exemption from the ban on {service} has been rejected",
        "Exemption {number} from the ban on {service} ({body}) was rejected {at}. The ban goes on applying.",
    ),
    Kind.EXEMPTION_REVOKED: Text(
        "the exemption from the ban on {service} has been revoked",
        "Exemption {number} from the ban on {service} ({body}) was revoked {at}. The ban applies again.",
    ),
    Kind.EXEMPTION_ENDING: Text(
        "the exemption from the ban on {service} is ending ({until})",
        "Exemption {number} from the ban on {service} ({body}) still applies {until}. The ban then applies again.",
        "Where it is needed after that too, ask for a new one in time.",
    ),
    Kind.SUSPENSION_STARTED: Text(
        "bans are suspended for {scope}",
        "All bans were suspended {at} for {scope}: nothing is refused. The suspension ends by itself and lasts "
        "{until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "the suspension for {scope} has ended early",
        "The suspension for {scope} was ended early {at}. Bans apply again.",
    ),
    Kind.BINDING_PROPOSED: Text(
        "a proposal to have the ban on {service} apply to you too",
        "It is proposed that the ban on {service} ({body}) applies to you too, by agreement {number}, beginning {at}. "
        "As long as you do not accept, the proposal has no effect.",
        "To accept:",
    ),
    Kind.BINDING_BY_LAW: Text(
        "the ban on {service} applies to you too",
        "The ban on {service} ({body}) applies to you too by law, beginning {at} (binding {number}).",
    ),
    Kind.BINDING_ACCEPTED: Text(
        "your ban on {service} has been accepted ({bound})",
        "Agreement {number} was accepted {at}: the ban on {service} ({body}) applies in another authority too "
        "({bound}).",
    ),
    Kind.BINDING_WITHDRAWN: Text(
        "the agreement on the ban on {service} has been withdrawn from ({bound})",
        "The other authority ({bound}) has withdrawn from agreement {number} on the ban on {service} ({body}), with "
        "effect {at}.",
    ),
    Kind.BINDING_ENDED: Text(
        "the ban on {service} no longer applies to you",
        "Binding {number} has been ended, with effect {at}: the ban on {service} ({body}) then no longer applies to "
        "you.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "bans are suspended on resolver {node} for {scope}",
        "On resolver {node} (site {site}) all bans were suspended on the spot for {scope}: nothing is refused there. "
        "The suspension ends by itself and lasts {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "resolver {node} has fallen silent",
        "Resolver {node} (site {site}) was last heard of {at}. It may go on working with the rules that it has, but "
        "gets no changes.",
        "See whether the machine runs and reaches the control plane.",
    ),
    Kind.NODE_BEHIND: Text(
        "resolver {node} works with old rules",
        "Resolver {node} (site {site}) does not work yet with the change that came into force {at}.",
        "See in the machine's log why it does not take the new rules.",
    ),
    Kind.NODE_BACK: Text(
        "resolver {node} works with the rules in force again",
        "Resolver {node} (site {site}) can be reached and works with the rules in force again.",
    ),
}

TEXTS: Mapping[str, Mapping[Kind, Text]] = {"nl": _DUTCH, "fr": _FRENCH, "de": _GERMAN, "en": _ENGLISH}
