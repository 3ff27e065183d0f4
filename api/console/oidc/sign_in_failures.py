"""Why a sign-in fails: what the page advises, and what the log says."""

from api.console.frame.page_words import N_

BEGIN_AGAIN = N_(
    "This sign-in was not begun in this browser, was used already, or is older than ten minutes. Begin again, in this "
    "browser."
)
DENIED = N_("Your organisation did not sign you in. Begin again, or ask the help desk of your organisation.")
NO_ANSWER = N_(
    "The sign-in of your organisation does not answer. Try again in a few minutes, or ask an administrator of "
    "dnsfilter for a link."
)
NOT_VALID = N_(
    "The answer of your organisation's sign-in is not valid. Ask an administrator of dnsfilter: the log of the control "
    "plane says why."
)
NO_ACCOUNT = N_(
    "Your organisation signed you in as {login}, but dnsfilter has no enabled account of a person with that login. Ask "
    "an administrator of dnsfilter for one."
)


class SignInFailed(Exception):
    """Raised if a sign-in fails. `advice` is one of the texts above. `reason` is for the log, and names nobody."""

    def __init__(self, advice: str, reason: str, login: str = "") -> None:
        super().__init__(reason)
        self.advice = advice
        self.reason = reason
        self.login = login
