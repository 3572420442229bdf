"""Calls other systems over HTTP, guarded and signed (Standard Webhooks)."""

import asyncio
import email.utils
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httpx

from services.automation.actions.webhook import WebhookCall, signed
from services.errors import Rejected, Retry
from services.runtime.followups.addresses import resolve
from services.runtime.followups.sending import Result

SECONDS = 20.0  # for one whole call; Standard Webhooks advises 15 to 30


class WebhookSender:
    """Makes one try of a call. Redirects are not followed, answers are not read, proxies are not used.

    `private` are the hosts that may have private addresses; `secrets` is where `secret_env` and `url_env`
    are looked up (the environment).
    """

    def __init__(self, private: frozenset[str], secrets: Mapping[str, str], clock: Callable[[], int]):
        self._private, self._secrets, self._clock = private, secrets, clock
        # No connection is used twice: the pool knows hosts by address, and two names may share one.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(timeout=SECONDS, trust_env=False, follow_redirects=False, limits=limits)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, call: WebhookCall) -> Result:
        """What came of one try. 2xx is sent, 410 is dead, everything else is tried again, when the receiver says
        (Retry-After) or later."""
        now = self._clock()
        try:
            headers = signed(call, self._secrets.get(call.secret_env, ""), now)
            async with asyncio.timeout(SECONDS):
                answer = await self._posted(call, headers)
        except Rejected as wrong:
            return Result("failed", wrong.reason)
        except Retry as later:
            return Result("retry", str(later))
        except httpx.InvalidURL as error:
            return Result("failed", f"the URL is not one: {error}")
        except (httpx.HTTPError, OSError) as error:
            return Result("retry", f"no answer: {type(error).__name__}")
        return _result(answer, now)

    async def _posted(self, call: WebhookCall, headers: dict[str, str]) -> httpx.Response:
        url = httpx.URL(self._url(call))
        target = await resolve(url.host, url.port or (443 if url.scheme == "https" else 80), self._private)
        request = self._client.build_request(
            "POST", url.copy_with(host=target.address), content=call.body,
            headers=headers | {"host": urlsplit(str(url)).netloc, "user-agent": "Rapport"},
            extensions={"sni_hostname": target.host},
        )  # fmt: skip
        answer = await self._client.send(request, stream=True)
        await answer.aclose()
        return answer

    def _url(self, call: WebhookCall) -> str:
        url = call.url or self._secrets.get(call.url_env, "")
        if not url.startswith(("http://", "https://")):
            reason = (
                f"the environment variable {call.url_env} has to hold the URL to call, like https://crm.example/hooks"
            )
            raise Rejected("url", reason, field=call.url_env)
        return url


def _result(answer: httpx.Response, now: int) -> Result:
    if answer.is_success:
        return Result("sent")
    if answer.status_code == httpx.codes.GONE:
        return Result("dead", "answered 410: the receiver wants no more of these")
    return Result("retry", f"answered {answer.status_code}", _wait(answer.headers.get("retry-after", ""), now))


def _wait(told: str, now: int) -> int:
    """Retry-After (seconds, or a date) in milliseconds; 0 when there is none or it makes no sense."""
    if told.isascii() and told.isdigit():
        return int(told[:9]) * 1000
    try:
        return max(0, int(email.utils.parsedate_to_datetime(told).timestamp() * 1000) - now)
    except (ValueError, OverflowError):
        return 0
