"""The HTML of an e-mail with its links going by way of us, and the pixel that tells of an opening."""

import re
from collections.abc import Callable
from html import escape, unescape
from html.parser import HTMLParser

MOST = 200  # links of one e-mail that are changed
LONGEST = 2_000  # characters of an address that is changed

_HREF = re.compile(r"""(\bhref\s*=\s*)("[^"]*"|'[^']*'|[^\s>"']+)""", re.IGNORECASE)
_END = re.compile(r"</body\s*>", re.IGNORECASE)


class _Anchors(HTMLParser):
    """Finds the start tags of links: (line, column, tag as it stands there)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, int, str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "a" and not any(name == "data-rapport-track" and value == "off" for name, value in attributes):
            self.found.append((*self.getpos(), self.get_starttag_text() or ""))


def with_clicks(html: str, link: Callable[[str], str]) -> str:
    """Every http(s) link of an `<a>` replaced by `link(address)`; what has `data-rapport-track="off"` stays."""
    parser = _Anchors()
    parser.feed(html)
    starts = [0]
    for line in html.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    parts, at = [], 0
    for line_number, column, tag in parser.found[:MOST]:
        start = starts[line_number - 1] + column
        parts += [html[at:start], _HREF.sub(lambda match: _changed(match, link), tag, count=1)]
        at = start + len(tag)
    return "".join([*parts, html[at:]])


def with_pixel(html: str, address: str) -> str:
    """The HTML with an image of one pixel at the end of its body."""
    pixel = f'<img src="{escape(address)}" width="1" height="1" alt="" style="display:none">'
    ends = list(_END.finditer(html))
    place = ends[-1].start() if ends else len(html)
    return html[:place] + pixel + html[place:]


def _changed(match: re.Match[str], link: Callable[[str], str]) -> str:
    said = match[2]
    address = unescape(said[1:-1] if said[0] in "\"'" else said).strip()
    if not re.match(r"https?://", address, re.IGNORECASE) or len(address) > LONGEST:
        return match[0]
    return f'{match[1]}"{escape(link(address))}"'
