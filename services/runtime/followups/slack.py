"""Posts messages into Slack channels, by incoming webhooks."""

import asyncio
import time
from collections.abc import Callable, Mapping

from services.automation.actions.slack import SlackMessage
from services.errors import Rejected
from services.runtime.followups.calling import Caller, judged
from services.runtime.followups.sending import Result
from services.runtime.followups.webhook import url_in

APART = 1.0  # seconds between two messages into one channel (docs.slack.dev, "Rate limits")
MOST_URLS = 1_000  # remembered with the time of their last message


class SlackSender:
    """Makes one try of a message. Slack cannot tell a repetition, so what may have arrived is never tried again."""

    def __init__(self, caller: Caller, secrets: Mapping[str, str], clock: Callable[[], int], apart: float = APART):
        self._caller, self._secrets, self._clock, self._apart = caller, secrets, clock, apart
        self._next: dict[str, float] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def send(self, message: SlackMessage) -> Result:
        """What came of one try. It waits until Slack wants another message into this channel."""
        try:
            url = url_in(self._secrets, message.url_env)
        except Rejected as wrong:
            return Result("failed", wrong.reason)
        await self._my_turn(url)
        answer = await self._caller.post_once(url, message.body, {"content-type": "application/json"})
        if isinstance(answer, Result):
            return answer
        return judged(answer, answer.body.decode("utf-8", "replace"), self._clock())

    async def _my_turn(self, url: str) -> None:
        now = time.monotonic()
        at = max(now, self._next.get(url, 0.0))
        if len(self._next) >= MOST_URLS:
            self._next = {one: due for one, due in self._next.items() if due > now}
        self._next[url] = at + self._apart
        await asyncio.sleep(at - now)
