"""What Ctrl-C does before a command begins, and from then on.

While modules are loaded there is nothing to tidy up, and an exception in the middle of an import is told in many ways,
all of them ugly: the process just ends. A command at work gets a KeyboardInterrupt. Only the standard library is needed
here, because it has to be there first.
"""

import os
import signal
from typing import Any

INTERRUPTED = 130  # the exit code of what Ctrl-C ended: 128 and the number of SIGINT


def ends_at_once() -> None:
    """From here on Ctrl-C ends the process quietly. Where it is ignored (`nohup`, `&`), it stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def interrupts() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt again, if `ends_at_once` had changed that."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: Any) -> None:
    os._exit(INTERRUPTED)
