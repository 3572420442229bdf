"""HTTP calls of other systems, under guard: redirects are not followed, proxies are not used, private addresses only
where they are allowed."""

import asyncio
import email.utils
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from services.errors import Rejected, Retry
from services.runtime.followups.addresses import Target, resolve
from services.runtime.followups.sending import Result

SECONDS = 20.0  # for one whole call; Standard Webhooks advises 15 to 30
CONNECT = 10.0  # of these, for finding the host and connecting; not reached, nothing has left
PATIENCE = 2.0  # for the words of an answer whose status is known
MOST_READ = 2_048  # bytes of an answer

_OURS = {"user-agent": "Rapport", "accept-encoding": "identity"}
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Answer(NamedTuple):
    """What came back. `body` is the beginning of the answer, if it was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """Makes calls. `private` are the hosts that may have private addresses."""

    def __init__(self, private: frozenset[str]):
        self._private = private
        # No connection is used twice: the pool knows hosts by address, and two names may share one.
        timeout = httpx.Timeout(SECONDS, connect=CONNECT)
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False, limits=limits)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        login: tuple[str, str] | None = None,
        read: bool = False,
    ) -> Answer:
        """One POST, with the first bytes of the answer where `read` asks for them.

        Raises Rejected or Retry when it certainly was not made, httpx.HTTPError, OSError or TimeoutError otherwise.
        """
        parsed = httpx.URL(url)
        target = await self._target(parsed)
        async with asyncio.timeout(SECONDS):
            request = self._client.build_request(
                "POST", parsed.copy_with(host=target.address), content=body,
                headers={**headers, **_OURS, "host": urlsplit(str(parsed)).netloc},
                extensions={"sni_hostname": target.host},
            )  # fmt: skip
            answer = await self._client.send(request, auth=login, stream=True)
            try:
                return Answer(answer.status_code, answer.headers, await _beginning(answer) if read else b"")
            finally:
                await answer.aclose()

    async def _target(self, url: httpx.URL) -> Target:
        try:
            async with asyncio.timeout(CONNECT):
                return await resolve(url.host, url.port or (443 if url.scheme == "https" else 80), self._private)
        except TimeoutError:
            raise Retry(f"the host {url.host} could not be resolved in time") from None

    async def post_once(
        self, url: str, body: bytes, headers: Mapping[str, str], login: tuple[str, str] | None = None
    ) -> Answer | Result:
        """One POST to somebody who cannot tell a repetition: a Result where there is no answer to judge by.

        It is tried again only when it certainly did not leave; what may have arrived is `uncertain`.
        """
        try:
            return await self.post(url, body, headers, login, read=True)
        except Rejected as wrong:
            return Result("failed", wrong.reason)
        except Retry as later:
            return Result("retry", str(later))
        except httpx.InvalidURL as error:
            return Result("failed", f"the URL is not one: {error}")
        except _NEVER_LEFT as error:
            return Result("retry", f"no connection: {type(error).__name__}")
        except (httpx.HTTPError, OSError) as error:
            return Result("uncertain", f"it was handed over and not answered: {type(error).__name__}")


async def _beginning(answer: httpx.Response) -> bytes:
    """What an answer begins with, as it came. It explains the status, and what it lacks changes nothing."""
    read = b""
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in answer.aiter_raw():
                read += chunk
                if len(read) >= MOST_READ:
                    break
    except (httpx.HTTPError, OSError):
        pass
    return read[:MOST_READ]


def judged(answer: Answer, said: str, now: int) -> Result:
    """What came of a call that must not be made twice: 2xx is sent, 429 is tried again when the receiver says, another
    4xx is refused for good. Of anything else nobody knows whether it was carried out. `said` is the receiver's reason.
    """
    if 200 <= answer.status < 300:
        return Result("sent")
    told = f"answered {answer.status}" + (f" {said[:200]}" if said else "")
    if answer.status == httpx.codes.TOO_MANY_REQUESTS:
        return Result("retry", told, retry_after(answer, now))
    if 300 <= answer.status < 500:
        return Result("failed", told)
    return Result("uncertain", f"{told}: it may have been carried out")


def retry_after(answer: Answer, now: int) -> int:
    """Retry-After (seconds, or a date) in milliseconds; 0 when there is none or it makes no sense."""
    told = answer.headers.get("retry-after", "")
    if told.isascii() and told.isdigit():
        return int(told[:9]) * 1000
    try:
        return max(0, int(email.utils.parsedate_to_datetime(told).timestamp() * 1000) - now)
    except (ValueError, OverflowError):
        return 0
