"""Notices in Dutch."""

from collections.abc import Mapping

from api.notices.kinds import Kind
from api.notices.wording import Phrases, Text

PHRASES = Phrases(
    ban="Verbod",
    reference="Referentie",
    everybody="alle overheden",
    own_until="Uw eigen beslissing verandert daardoor niet: ze geldt {until}.",
    own_lapsed="Uw eigen beslissing verandert daardoor niet: ze gold {until} en is vervallen.",
    own_review="Uw eigen beslissing verandert daardoor niet: ze wordt {review} herbekeken.",
    own_endless="Uw eigen beslissing verandert daardoor niet: ze heeft geen einddatum.",
    endless="zonder einddatum",
    resumes="Een volgende termijn begint {at}.",
    again="De verboden gelden opnieuw.",
    still="Een andere opschorting duurt {until}: zolang wordt er niets geweigerd.",
    binds="Ook uw verboden die daar gelden, hebben zolang geen gevolg.",
    more="en nog {count} andere",
)

TEXTS: Mapping[Kind, Text] = {
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
        "Het verbod op {service} ({body}) moet {review} worden herbekeken.",
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
    Kind.BAN_OFF: Text(
        "het verbod op {service} is uitgeschakeld ({until})",
        "Het verbod op {service} ({body}) werd {at} uitgeschakeld ({until}). Er wordt niets op grond daarvan geweigerd "
        "of geteld.",
        "Wie dit heeft gedaan en waarom, ziet u zo:",
    ),
    Kind.BAN_MONITORED: Text(
        "het verbod op {service} telt alleen nog",
        "Het verbod op {service} ({body}) werd {at} zo ingesteld dat het alleen telt. Het weigert niets.",
        "Wie dit heeft gedaan en waarom, ziet u zo:",
    ),
    Kind.BAN_BACK: Text(
        "het verbod op {service} wordt opnieuw toegepast",
        "Het verbod op {service} ({body}) werd {at} opnieuw ingeschakeld. Het weigert zoals voorheen.",
    ),
    Kind.REQUEST_WAITING: Text(
        "een aanvraag om het verbod op {service} uit te schakelen wacht op uw beslissing",
        "Aanvraag {number} werd {at} ingediend: het verbod op {service} ({body}) zou voorlopig niets weigeren. Ze "
        "wacht op uw beslissing. Tot dan geldt het verbod zoals voorheen.",
        "Wie in uw naam beslist, bekijkt de aanvraag en keurt ze goed (approve) of af (reject):",
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
    Kind.SOURCE_GOES_ON: Text(
        "het verbod op {service} dat u hebt overgenomen, loopt door als dat van een andere overheid ({source})",
        "Het verbod op {service} ({former}), dat u met een eigen beslissing hebt overgenomen, loopt door als dat van "
        "een andere overheid ({source}), met begin {at}: de ene is opgegaan in de andere. {own}",
        "U hoeft niets te doen. Wordt dat verbod verlengd of vervroegd beëindigd, dan krijgt u bericht.",
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
        "Alle verboden zijn {at} opgeschort voor {scope}: er wordt niets geweigerd. {binds} De opschorting eindigt "
        "vanzelf en duurt {until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "de opschorting voor {scope} is vervroegd beëindigd",
        "De opschorting voor {scope} is {at} vervroegd beëindigd. {again}",
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
    Kind.BOUND_BAN_GOES_ON: Text(
        "het verbod op {service} loopt door als dat van een andere overheid ({body})",
        "Het verbod op {service} ({former}) loopt door als dat van een andere overheid ({body}), met begin {at}: de "
        "ene is opgegaan in de andere. Het bindt u zoals voorheen.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "de verboden zijn op resolver {node} opgeschort voor {scope}",
        "Op resolver {node} (locatie {site}) zijn alle verboden ter plaatse opgeschort voor {scope}: er wordt daar "
        "niets geweigerd. {binds} De opschorting eindigt vanzelf en duurt {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "resolver {node} laat niets meer van zich horen",
        "Resolver {node} (locatie {site}) heeft voor het laatst {at} iets van zich laten horen. Hij kan nog werken "
        "met de regels die hij heeft, maar krijgt geen wijzigingen.",
        "Kijk na of de machine werkt en de beheerserver kan bereiken.",
        "{count} resolvers van locatie {site} laten niets meer van zich horen",
        "{count} resolvers (locatie {site}) laten niets meer van zich horen; de eerste deed dat {at} voor het "
        "laatst: {nodes}. Ze kunnen nog werken met de regels die ze hebben, maar krijgen geen wijzigingen.",
    ),
    Kind.NODE_BEHIND: Text(
        "resolver {node} werkt met oude regels",
        "Resolver {node} (locatie {site}) werkt nog niet met de wijziging die {at} van kracht werd.",
        "Kijk in het logboek van de machine waarom hij de nieuwe regels niet overneemt.",
        "{count} resolvers van locatie {site} werken met oude regels",
        "{count} resolvers (locatie {site}) werken nog niet met de wijziging die {at} van kracht werd: {nodes}.",
    ),
    Kind.NODE_HELD: Text(
        "resolver {node} werkt met oudere, met de hand gekozen regels",
        "Resolver {node} (locatie {site}) werkt met revisie {revision}, die ter plaatse met de hand is gekozen, en "
        "niet met de wijziging die {at} van kracht werd. De volgende wijziging maakt daar een einde aan.",
        "Ga na of dat nog nodig is: op de machine kan de nieuwste revisie weer worden gekozen.",
        "{count} resolvers van locatie {site} werken met oudere, met de hand gekozen regels",
        "{count} resolvers (locatie {site}) werken met revisie {revision}, die ter plaatse met de hand is "
        "gekozen, en niet met de wijziging die {at} van kracht werd: {nodes}. De volgende wijziging maakt daar "
        "een einde aan.",
    ),
    Kind.NODE_BACK: Text(
        "resolver {node} werkt weer met de geldende regels",
        "Resolver {node} (locatie {site}) is bereikbaar en werkt weer met de geldende regels.",
        "",
        "{count} resolvers van locatie {site} werken weer met de geldende regels",
        "{count} resolvers (locatie {site}) zijn bereikbaar en werken weer met de geldende regels: {nodes}.",
    ),
}
