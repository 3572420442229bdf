"""ClickHouse's SQL cut into tokens, as strictly as safety asks: what could be read in two ways is refused.

The rules follow ClickHouse's lexer: comments `--` to the end of the line and `/* */`; strings in single quotes and
identifiers in backquotes or double quotes, where a backslash escapes the next character and a doubled quote is one
quote. Heredocs (`$tag$`), `#` comments, typographic quotes and backslashes in names are legal there and refused here.
"""

import re
from typing import NamedTuple

from services.errors import Rejected


class Token(NamedTuple):
    """`kind` is word, name (a quoted identifier), string, number or sign; `text` has no quotes; `at` is where."""

    kind: str
    text: str
    at: int


_PIECE = re.compile(
    r"""(?P<blank>[ \t\r\n]+|--[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)
    |(?P<string>'(?:[^'\\]|\\.|'')*')
    |(?P<name>`(?:[^`\\]|``)*`|"(?:[^"\\]|"")*")
    |(?P<number>[0-9][0-9A-Za-z_]*)
    |(?P<word>[A-Za-z_][0-9A-Za-z_]*)
    |(?P<sign>[-+*/%(),.;:=<>!?\[\]{}|&^~@])""",
    re.VERBOSE | re.DOTALL,
)


def tokens(sql: str) -> list[Token]:
    """All tokens of the text; blanks and comments are left out.

    Raises Rejected where a character starts nothing that is known here, or a comment holds another.
    """
    found, at = [], 0
    while at < len(sql):
        piece = _PIECE.match(sql, at)
        if piece is None:
            raise Rejected("syntax", _unknown(sql, at), hint="quote names with `backquotes` and values with 'quotes'")
        kind, text = str(piece.lastgroup), piece.group()
        if kind != "blank":
            found.append(Token(kind, text[1:-1] if kind in ("string", "name") else text, at))
        elif text.startswith("/*") and "/*" in text[2:]:
            raise Rejected("syntax", f"a comment inside a comment (position {at + 1}) is not supported here")
        at = piece.end()
    return found


def _unknown(sql: str, at: int) -> str:
    """Why nothing could start here."""
    if sql[at] in "'\"`" or sql.startswith("/*", at):
        return f"the quote or comment that starts at position {at + 1} is never closed, or holds a backslash in a name"
    return f"{sql[at]!r} (position {at + 1}) is not supported here outside quotes"


def statements(sql: str) -> list[str]:
    """The statements of a script, in order, without the semicolons and without empty ones."""
    parts, start = [], 0
    for token in [*tokens(sql), Token("sign", ";", len(sql))]:
        if token.kind == "sign" and token.text == ";":
            part = sql[start : token.at]
            if tokens(part):
                parts.append(part.strip())
            start = token.at + 1
    return parts
