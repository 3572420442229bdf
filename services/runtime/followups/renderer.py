"""Makes follow-ups in a process of its own, so that no template can hang the platform or eat its memory.

The process reads one order a line and answers one line. The operating system ends it when an order takes more than
`SECONDS` of computing (SIGPROF), whatever the template does, and refuses it memory beyond `MEMORY`. It has none of the
environment's secrets, and of ours only the key of links, which no template can name. Parent's side: `Renderer`.
"""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

import msgspec

import services
from schemas.fast import Action, Profile
from services.automation.follow_up import Made, make
from services.automation.links import Links
from services.automation.steps import Step
from services.errors import Rejected, Retry

SECONDS = 1.0  # of computing per order
MEMORY = 768 * 1024 * 1024  # bytes of address space
LONGEST_LINE = 4 * 1024 * 1024


class Order(msgspec.Struct, frozen=True):
    """What is to be made: the step (JSON of `Step`), the action, the person now, the time (epoch ms), what makes
    links, and the person's account."""

    step: msgspec.Raw
    action: Action
    profile: Profile
    now: int
    links: Links | None = None
    account: Profile | None = None


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The follow-up cannot be made: the code and the reason of a Rejected."""

    code: str
    reason: str


class Renderer:
    """Makes follow-ups of orders, one at a time; `links` lead back to us. The process starts with the first order."""

    def __init__(self, links: Links | None = None) -> None:
        self._links = links
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def make(
        self, step: Step, action: Action, profile: Profile, now: int, account: Profile | None = None
    ) -> Made:
        """The follow-up as data. Raises Rejected (it can never be made as it is) or Retry (the process was ended)."""
        said = msgspec.Raw(step.model_dump_json(by_alias=True).encode())
        order = msgspec.json.encode(Order(said, action, profile, now, self._links, account))
        async with self._lock:
            answer = await self._asked(order)
        found: Made | Refused = msgspec.json.decode(answer, type=Made | Refused)
        if isinstance(found, Refused):
            raise Rejected(found.code, found.reason)
        return found

    async def close(self) -> None:
        """End the process."""
        async with self._lock:
            await self._end()

    async def _asked(self, order: bytes) -> bytes:
        if self._process is None:
            self._process = await _started()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(order + b"\n")
            await process.stdin.drain()
            if line := await process.stdout.readline():
                return line
        except (BrokenPipeError, ConnectionResetError):
            pass
        except BaseException:
            await self._end()  # an answer that nobody reads would be the next order's
            raise
        raise await self._lost()

    async def _lost(self) -> Rejected | Retry:
        code = await self._end()
        if code == -signal.SIGPROF:
            return Rejected("template", f"the templates took more than {SECONDS} seconds of computing")
        return Retry(f"the process that renders templates ended ({code})")

    async def _end(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(SECONDS):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()


async def _started() -> asyncio.subprocess.Process:
    place = {"PYTHONPATH": str(Path(services.__path__[0]).parent)}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "services.runtime.followups.renderer")
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, limit=LONGEST_LINE, env=kept | place, start_new_session=True
    )


def main() -> None:
    """The process: orders from standard input, answers to standard output, until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        answer = _answer(line)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


def _answer(line: bytes) -> Made | Refused:
    try:
        order = msgspec.json.decode(line, type=Order)
        step = Step.model_validate_json(bytes(order.step))
        return make(step, order.action, order.profile, order.now, order.links, order.account)
    except Rejected as wrong:
        return Refused(wrong.code, wrong.reason)
    except MemoryError:
        return Refused("template", f"the templates need more than {MEMORY // 1024**2} MB of memory")


if __name__ == "__main__":
    main()
