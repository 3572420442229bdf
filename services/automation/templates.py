"""Liquid templates under limits: what an e-mail or a webhook says.

A template is the rule's, what is put into it is the customer's, so values are data and never templates. The limits
here (size, loops, depth, output, names) give a clear error; `services/runtime/renderer.py` renders in a process that
is stopped when it takes too much time or memory, which no limit inside one process can promise: a single filter can
be slow.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.filters.misc import date
from liquid.exceptions import LiquidError
from liquid.filter import with_context

from services.automation.values import PARTS
from services.errors import Rejected

ROOTS = frozenset({"profile", "account", "touchpoint", "audience", "rule", "workspace", "now", "unsubscribe_url"})
LARGEST_SOURCE = 64 * 1024  # characters of a template
LARGEST_OUTPUT = 256 * 1024  # bytes of a rendered text
MOST_ITERATIONS = 10_000  # of loops inside each other


class _Limited(Environment):
    """Liquid without partials (there is nothing to include) and with an end to everything."""

    loop_iteration_limit = MOST_ITERATIONS
    local_namespace_limit = LARGEST_OUTPUT
    output_stream_limit = LARGEST_OUTPUT
    block_nesting_limit = 20
    context_depth_limit = 20

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        del self.tags["include"], self.tags["render"]
        self.add_filter("date", _date)


@with_context
def _date(value: Any, form: str, *, context: RenderContext) -> str:
    """Liquid's `date`, where "now" is the time that the message is made for, not that of a clock."""
    known = context.resolve("now") if value in ("now", "today") else value
    text: str = date(known, form, environment=context.env)
    return text


_PLAIN = _Limited()
_HTML = _Limited(autoescape=True)


@lru_cache(maxsize=512)
def parse(source: str, name: str, html: bool = False) -> BoundTemplate:
    """A template ready to render. `name` says where it is from ("rules/welcome.yaml, step 1, subject").

    Raises Rejected (code "template") that names the template, the line and what is wrong with it: syntax, a tag or a
    filter that does not exist, a variable that is none of `ROOTS`, a part that `profile` or `touchpoint` does not have,
    too large a source.
    """
    if len(source) > LARGEST_SOURCE:
        raise _refused(name, f"a template of {len(source)} characters; at most {LARGEST_SOURCE} are possible")
    environment = _HTML if html else _PLAIN
    try:
        template = environment.from_string(source, name=name)
        used = template.analyze()
    except LiquidError as error:
        raise _refused(name, _told(error, source)) from error
    except RecursionError:
        raise _refused(name, "too deeply nested") from None
    for wrong in sorted(set(used.globals) - ROOTS):
        line = source.count("\n", 0, used.globals[wrong][0].span.index) + 1
        raise _refused(name, f"line {line}: `{wrong}` is not known here; known are {', '.join(sorted(ROOTS))}")
    if unknown := next(_unknown(used.globals, source), ""):
        raise _refused(name, unknown)
    for wrong in sorted(set(used.filters) - set(environment.filters)):
        line = source.count("\n", 0, used.filters[wrong][0].index) + 1
        raise _refused(name, f"line {line}: there is no filter `{wrong}`")
    return template


def render(source: str, name: str, values: Mapping[str, Any], html: bool = False) -> str:
    """The text that a template gives with these values. With `html`, values are escaped (unless `| safe`).

    What a profile does not have is empty text. Raises Rejected (code "template") as `parse` does, and for a limit.
    """
    template = parse(source, name, html)
    try:
        return template.render(values)
    except LiquidError as error:
        raise _refused(name, _told(error, source)) from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        raise _refused(name, f"could not be rendered: {type(error).__name__}: {error}") from error


def _unknown(used: Mapping[str, Sequence[Any]], source: str) -> Iterator[str]:
    """What is said of parts that nothing has: `profile.trait.name` would be empty for everybody."""
    for root in sorted(PARTS.keys() & used.keys()):
        for segments, span in ((variable.segments, variable.span) for variable in used[root]):
            part = segments[1] if len(segments) > 1 else None
            if isinstance(part, str) and part not in PARTS[root]:
                line = source.count("\n", 0, span.index) + 1
                known = ", ".join(sorted(PARTS[root]))
                yield f"line {line}: `{root}.{part}` is not known here; {root} has {known}"


def _told(error: LiquidError, source: str) -> str:
    """Liquid's error in one line, with the line of the template that it is about."""
    try:
        place = error.context()
    except ValueError:
        place = None
    if place is None and error.token is not None:  # Liquid knows no line for the end of a template
        return f"line {source.count(chr(10)) + 1}: {error.message}"
    return f"line {place[0]}: {error.message}" if place else str(error.message)


def _refused(name: str, problem: str) -> Rejected:
    return Rejected("template", f"template {name}: {problem}", field=name)
