"""Sends text messages by Twilio's Messages API."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec

from services.automation.actions.sms import Sms
from services.runtime.followups.calling import Answer, Caller, judged
from services.runtime.followups.sending import Result

TWILIO = "https://api.twilio.com"
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


class TwilioSender:
    """Makes one try of a text message. Twilio has no idempotency key, so what may have arrived is never tried again.

    `secrets` is where the account's SID and token are looked up (the environment). `url` is another only in tests.
    """

    def __init__(self, caller: Caller, secrets: Mapping[str, str], clock: Callable[[], int], url: str = TWILIO):
        self._caller, self._secrets, self._clock, self._url = caller, secrets, clock, url

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def send(self, sms: Sms) -> Result:
        """What came of one try. Sent means that Twilio has taken it; what became of it Twilio tells the callback."""
        account, token = self._secrets.get(sms.account_env, ""), self._secrets.get(sms.token_env, "")
        if not (account.isascii() and account.isalnum()):
            return Result("failed", f"the environment variable {sms.account_env} has to hold a SID, AC and 32 digits")
        url = f"{self._url}/2010-04-01/Accounts/{account}/Messages.json"
        answer = await self._caller.post_once(url, urlencode(sms.form).encode(), _FORM, (account, token))
        return answer if isinstance(answer, Result) else judged(answer, _said(answer), self._clock())


class _Refusal(msgspec.Struct):
    code: int = 0
    message: str = ""


def _said(answer: Answer) -> str:
    """Twilio's own code and words (twilio.com/docs/api/errors)."""
    try:
        refusal = msgspec.json.decode(answer.body, type=_Refusal)
    except msgspec.DecodeError:
        return ""
    return f"(Twilio's error {refusal.code}: {refusal.message})" if refusal.code else ""
