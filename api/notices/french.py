"""Notices in French."""

from collections.abc import Mapping

from api.notices.kinds import Kind
from api.notices.wording import Phrases, Text

PHRASES = Phrases(
    ban="Interdiction",
    reference="Référence",
    everybody="toutes les autorités",
    own_until="Votre propre décision n'en est pas modifiée : elle s'applique {until}.",
    own_lapsed="Votre propre décision n'en est pas modifiée : elle s'est appliquée {until} et a expiré.",
    own_review="Votre propre décision n'en est pas modifiée : elle sera réexaminée {review}.",
    own_endless="Votre propre décision n'en est pas modifiée : elle n'a pas d'échéance.",
    endless="sans échéance",
    resumes="Une nouvelle période commence {at}.",
    again="Les interdictions s'appliquent à nouveau.",
    still="Une autre suspension dure {until} : d'ici là, rien n'est refusé.",
    binds="Vos interdictions qui y sont applicables restent sans effet pendant ce temps.",
    more="et {count} autres",
)

TEXTS: Mapping[Kind, Text] = {
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
        "L'interdiction visant {service} ({body}) doit être réexaminée {review}.",
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
    Kind.BAN_OFF: Text(
        "l'interdiction visant {service} a été désactivée ({until})",
        "L'interdiction visant {service} ({body}) a été désactivée {at} ({until}). Plus rien n'est refusé ni compté "
        "sur cette base.",
        "Pour savoir qui l'a fait et pourquoi :",
    ),
    Kind.BAN_MONITORED: Text(
        "l'interdiction visant {service} ne fait plus que compter",
        "L'interdiction visant {service} ({body}) a été réglée {at} pour compter seulement. Elle ne refuse rien.",
        "Pour savoir qui l'a fait et pourquoi :",
    ),
    Kind.BAN_BACK: Text(
        "l'interdiction visant {service} est de nouveau appliquée",
        "L'interdiction visant {service} ({body}) a été réactivée {at}. Elle refuse comme auparavant.",
    ),
    Kind.REQUEST_WAITING: Text(
        "une demande de désactivation de l'interdiction visant {service} attend votre décision",
        "La demande {number} a été introduite {at} : l'interdiction visant {service} ({body}) ne refuserait rien pour "
        "l'instant. Elle attend votre décision. D'ici là, l'interdiction s'applique comme auparavant.",
        "La personne qui décide en votre nom examine la demande, puis l'approuve (approve) ou la rejette (reject) :",
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
    Kind.SOURCE_GOES_ON: Text(
        "l'interdiction visant {service} que vous aviez reprise devient celle d'une autre autorité ({source})",
        "L'interdiction visant {service} ({former}), que vous aviez reprise par une décision propre, se poursuit comme "
        "celle d'une autre autorité ({source}), à partir de cette date : {at}. La première fait désormais partie de la "
        "seconde. {own}",
        "Vous n'avez rien à faire. Si cette interdiction est renouvelée ou prend fin plus tôt, vous en serez averti.",
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
        "Toutes les interdictions ont été suspendues {at} pour {scope} : rien n'est refusé. {binds} La suspension "
        "prend fin d'elle-même et dure {until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "la suspension pour {scope} a pris fin plus tôt",
        "Il a été mis fin anticipativement, {at}, à la suspension pour {scope}. {again}",
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
    Kind.BOUND_BAN_GOES_ON: Text(
        "l'interdiction visant {service} se poursuit comme celle d'une autre autorité ({body})",
        "L'interdiction visant {service} ({former}) se poursuit comme celle d'une autre autorité ({body}), à partir de "
        "cette date : {at}. La première fait désormais partie de la seconde. Vous restez lié comme auparavant.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "les interdictions sont suspendues sur le résolveur {node} pour {scope}",
        "Sur le résolveur {node} (site {site}), toutes les interdictions ont été suspendues sur place pour {scope} : "
        "rien n'y est refusé. {binds} La suspension prend fin d'elle-même et dure {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "le résolveur {node} ne donne plus signe de vie",
        "Le résolveur {node} (site {site}) a donné signe de vie pour la dernière fois {at}. Il peut encore fonctionner "
        "avec les règles dont il dispose, mais ne reçoit pas les modifications.",
        "Vérifiez que la machine fonctionne et qu'elle atteint le serveur de gestion.",
        "{count} résolveurs du site {site} ne donnent plus signe de vie",
        "{count} résolveurs (site {site}) ne donnent plus signe de vie ; le premier en a donné pour la dernière "
        "fois {at} : {nodes}. Ils peuvent encore fonctionner avec les règles dont ils disposent, mais ne "
        "reçoivent pas les modifications.",
    ),
    Kind.NODE_BEHIND: Text(
        "le résolveur {node} fonctionne avec d'anciennes règles",
        "Le résolveur {node} (site {site}) n'applique pas encore la modification entrée en vigueur {at}.",
        "Cherchez dans le journal de la machine pourquoi elle ne reprend pas les nouvelles règles.",
        "{count} résolveurs du site {site} fonctionnent avec d'anciennes règles",
        "{count} résolveurs (site {site}) n'appliquent pas encore la modification entrée en vigueur {at} : {nodes}.",
    ),
    Kind.NODE_HELD: Text(
        "le résolveur {node} fonctionne avec des règles plus anciennes, choisies à la main",
        "Le résolveur {node} (site {site}) applique la révision {revision}, choisie à la main sur place, et non la "
        "modification entrée en vigueur {at}. La prochaine modification y mettra fin.",
        "Vérifiez si cela est encore nécessaire : sur la machine, la révision la plus récente peut être choisie à "
        "nouveau.",
        "{count} résolveurs du site {site} fonctionnent avec des règles plus anciennes, choisies à la main",
        "{count} résolveurs (site {site}) appliquent la révision {revision}, choisie à la main sur place, et non "
        "la modification entrée en vigueur {at} : {nodes}. La prochaine modification y mettra fin.",
    ),
    Kind.NODE_BACK: Text(
        "le résolveur {node} applique à nouveau les règles en vigueur",
        "Le résolveur {node} (site {site}) est joignable et applique à nouveau les règles en vigueur.",
        "",
        "{count} résolveurs du site {site} appliquent à nouveau les règles en vigueur",
        "{count} résolveurs (site {site}) sont joignables et appliquent à nouveau les règles en vigueur : {nodes}.",
    ),
}
