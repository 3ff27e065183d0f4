"""Notices in German."""

from collections.abc import Mapping

from api.notices.kinds import Kind
from api.notices.wording import Phrases, Text

PHRASES = Phrases(
    ban="Verbot",
    reference="Referenz",
    everybody="alle Behörden",
    own_until="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie gilt {until}.",
    own_lapsed="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie galt {until} und ist ausgelaufen.",
    own_review="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie wird {review} überprüft.",
    own_endless="Ihre eigene Entscheidung ändert sich dadurch nicht: Sie ist unbefristet.",
    endless="unbefristet",
    resumes="Ein weiterer Zeitraum beginnt {at}.",
    again="Die Verbote gelten wieder.",
    still="Eine andere Aussetzung dauert {until}: So lange wird nichts verweigert.",
    binds="Auch Ihre Verbote, die dort gelten, haben so lange keine Wirkung.",
    more="und {count} weitere",
)

TEXTS: Mapping[Kind, Text] = {
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
        "Das Verbot von {service} ({body}) ist {review} zu überprüfen.",
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
    Kind.BAN_OFF: Text(
        "das Verbot von {service} wurde abgeschaltet ({until})",
        "Das Verbot von {service} ({body}) wurde {at} abgeschaltet ({until}). Auf seiner Grundlage wird nichts "
        "verweigert oder gezählt.",
        "Wer das getan hat und warum, sehen Sie so:",
    ),
    Kind.BAN_MONITORED: Text(
        "das Verbot von {service} zählt nur noch",
        "Das Verbot von {service} ({body}) wurde {at} so eingestellt, dass es nur zählt. Es verweigert nichts.",
        "Wer das getan hat und warum, sehen Sie so:",
    ),
    Kind.BAN_BACK: Text(
        "das Verbot von {service} wird wieder angewendet",
        "Das Verbot von {service} ({body}) wurde {at} wieder eingeschaltet. Es verweigert wie zuvor.",
    ),
    Kind.REQUEST_WAITING: Text(
        "ein Antrag, das Verbot von {service} abzuschalten, wartet auf Ihre Entscheidung",
        "Der Antrag {number} wurde {at} gestellt: Das Verbot von {service} ({body}) soll vorerst nichts verweigern. Er "
        "wartet auf Ihre Entscheidung. Bis dahin gilt das Verbot wie bisher.",
        "Wer in Ihrem Namen entscheidet, prüft den Antrag und genehmigt ihn (approve) oder lehnt ihn ab (reject):",
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
    Kind.SOURCE_GOES_ON: Text(
        "das von Ihnen übernommene Verbot von {service} gilt als das einer anderen Behörde fort ({source})",
        "Das Verbot von {service} ({former}), das Sie mit einer eigenen Entscheidung übernommen haben, gilt als das "
        "einer anderen Behörde ({source}) fort, beginnend {at}: Die eine ist in der anderen aufgegangen. {own}",
        "Sie müssen nichts tun. Wird dieses Verbot verlängert oder vorzeitig beendet, erfahren Sie davon.",
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
        "Alle Verbote wurden {at} ausgesetzt für {scope}: Es wird nichts verweigert. {binds} Die Aussetzung endet "
        "von selbst und dauert {until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "die Aussetzung für {scope} wurde vorzeitig beendet",
        "Die Aussetzung für {scope} wurde {at} vorzeitig beendet. {again}",
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
    Kind.BOUND_BAN_GOES_ON: Text(
        "das Verbot von {service} gilt als das einer anderen Behörde fort ({body})",
        "Das Verbot von {service} ({former}) gilt als das einer anderen Behörde ({body}) fort, beginnend {at}: Die "
        "eine ist in der anderen aufgegangen. Es bindet Sie wie bisher.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "die Verbote sind auf dem Resolver {node} ausgesetzt für {scope}",
        "Auf dem Resolver {node} (Standort {site}) wurden alle Verbote vor Ort ausgesetzt für {scope}: Es wird dort "
        "nichts verweigert. {binds} Die Aussetzung endet von selbst und dauert {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "der Resolver {node} meldet sich nicht mehr",
        "Der Resolver {node} (Standort {site}) hat sich zuletzt {at} gemeldet. Er kann mit den Regeln, die er hat, "
        "weiterarbeiten, bekommt aber keine Änderungen.",
        "Prüfen Sie, ob die Maschine läuft und den Verwaltungsserver erreicht.",
        "{count} Resolver am Standort {site} melden sich nicht mehr",
        "{count} Resolver (Standort {site}) melden sich nicht mehr; der erste hat sich zuletzt {at} gemeldet: "
        "{nodes}. Sie können mit den Regeln, die sie haben, weiterarbeiten, bekommen aber keine Änderungen.",
    ),
    Kind.NODE_BEHIND: Text(
        "der Resolver {node} arbeitet mit alten Regeln",
        "Der Resolver {node} (Standort {site}) arbeitet noch nicht mit der Änderung, die {at} in Kraft trat.",
        "Sehen Sie im Protokoll der Maschine nach, warum sie die neuen Regeln nicht übernimmt.",
        "{count} Resolver am Standort {site} arbeiten mit alten Regeln",
        "{count} Resolver (Standort {site}) arbeiten noch nicht mit der Änderung, die {at} in Kraft trat: {nodes}.",
    ),
    Kind.NODE_HELD: Text(
        "der Resolver {node} arbeitet mit älteren, von Hand gewählten Regeln",
        "Der Resolver {node} (Standort {site}) arbeitet mit Revision {revision}, die vor Ort von Hand gewählt wurde, "
        "und nicht mit der Änderung, die {at} in Kraft trat. Die nächste Änderung beendet das.",
        "Prüfen Sie, ob das noch nötig ist: Auf der Maschine lässt sich die neueste Revision wieder wählen.",
        "{count} Resolver am Standort {site} arbeiten mit älteren, von Hand gewählten Regeln",
        "{count} Resolver (Standort {site}) arbeiten mit Revision {revision}, die vor Ort von Hand gewählt wurde,"
        " und nicht mit der Änderung, die {at} in Kraft trat: {nodes}. Die nächste Änderung beendet das.",
    ),
    Kind.NODE_BACK: Text(
        "der Resolver {node} arbeitet wieder mit den geltenden Regeln",
        "Der Resolver {node} (Standort {site}) ist erreichbar und arbeitet wieder mit den geltenden Regeln.",
        "",
        "{count} Resolver am Standort {site} arbeiten wieder mit den geltenden Regeln",
        "{count} Resolver (Standort {site}) sind erreichbar und arbeiten wieder mit den geltenden Regeln: {nodes}.",
    ),
}
