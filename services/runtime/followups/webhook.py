"""Calls other systems over HTTP, guarded and signed (Standard Webhooks)."""

from collections.abc import Callable, Mapping

import httpx

from services.automation.actions.webhook import WebhookCall, signed
from services.errors import Rejected, Retry
from services.runtime.followups.calling import Answer, Caller, retry_after
from services.runtime.followups.sending import Result


class WebhookSender:
    """Makes one try of a call. Answers are not read.

    `secrets` is where `secret_env` and `url_env` are looked up (the environment), `clock` what receivers compare the
    signature's time with.
    """

    def __init__(self, caller: Caller, secrets: Mapping[str, str], clock: Callable[[], int]):
        self._caller, self._secrets, self._clock = caller, secrets, clock

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def send(self, call: WebhookCall) -> Result:
        """What came of one try. 2xx is sent, 410 is dead, everything else is tried again, when the receiver says
        (Retry-After) or later."""
        now = self._clock()
        try:
            headers = signed(call, self._secrets.get(call.secret_env, ""), now)
            answer = await self._caller.post(call.url or url_in(self._secrets, call.url_env), call.body, headers)
        except Rejected as wrong:
            return Result("failed", wrong.reason)
        except Retry as later:
            return Result("retry", str(later))
        except httpx.InvalidURL as error:
            return Result("failed", f"the URL is not one: {error}")
        except (httpx.HTTPError, OSError) as error:
            return Result("retry", f"no answer: {type(error).__name__}")
        return _result(answer, now)


def url_in(secrets: Mapping[str, str], variable: str) -> str:
    """The URL that an environment variable holds. Raises Rejected (code "url") when it holds none."""
    url = secrets.get(variable, "")
    if not url.startswith(("http://", "https://")):
        reason = f"the environment variable {variable} has to hold the URL to call, like https://crm.example/hooks"
        raise Rejected("url", reason, field=variable)
    return url


def _result(answer: Answer, now: int) -> Result:
    if 200 <= answer.status < 300:
        return Result("sent")
    if answer.status == httpx.codes.GONE:
        return Result("dead", "answered 410: the receiver wants no more of these")
    return Result("retry", f"answered {answer.status}", retry_after(answer, now))
