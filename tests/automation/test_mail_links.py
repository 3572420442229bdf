"""The links of an e-mail: only what we made is read, and the HTML around them stays as it was."""

import base64
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.automation.links import LONGEST, About, Kind, Links, key_of
from services.automation.tracked_html import MOST, with_clicks, with_pixel

LINKS = Links("https://mail.example", key_of("a secret of more than 24 characters"))
OTHER = Links("https://mail.example", key_of("another secret of so many characters"))
ABOUT = About("click", "main", "s1", "welcome", 0, "user_id:ann", "", "https://shop.example/?a=1&b=2")

kinds = st.sampled_from(["open", "click", "unsubscribe"])
abouts = st.builds(About, kinds, st.text(), st.text(), st.text(), st.integers(0, 9), st.text(), st.text(), st.text())


def token(address: str) -> str:
    return address.rpartition("/")[2]


@given(abouts)
def test_what_a_link_says_is_read_again_and_the_same_is_the_same_link(about: About) -> None:
    assert LINKS.read(about.kind, token(LINKS.link(about))) == about
    assert LINKS.link(about) == LINKS.link(about)
    assert re.fullmatch(r"https://mail\.example/m/[ocu]/[A-Za-z0-9_-]+", LINKS.link(about))


@given(abouts, kinds)
def test_a_token_is_good_for_its_own_kind_and_key_only(about: About, kind: Kind) -> None:
    found = token(LINKS.link(about))
    assert (LINKS.read(kind, found) is not None) == (kind == about.kind)
    assert OTHER.read(about.kind, found) is None


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_token_with_one_changed_byte_says_nothing(place: int, change: int) -> None:
    text = token(LINKS.link(ABOUT))
    sealed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    sealed[place % len(sealed)] ^= change
    assert LINKS.read("click", base64.urlsafe_b64encode(bytes(sealed)).decode()) is None


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda some: base64.urlsafe_b64encode(some).decode()))
def test_nonsense_says_nothing(text: str) -> None:
    assert LINKS.read("click", text) is None


def test_a_token_without_end_is_not_looked_at() -> None:
    assert LINKS.read("click", "a" * (LONGEST + 1)) is None


def test_a_short_secret_is_none() -> None:
    with pytest.raises(ValueError, match="24 characters or more"):
        key_of("short")


class Seen(HTMLParser):
    """Where the links of a page lead, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        where = [value or "" for name, value in attributes if tag == "a" and name == "href"]
        self.links += where[:1]  # of several, browsers take the first

    def handle_data(self, data: str) -> None:
        self.text += data


def test_links_are_changed_however_they_are_written_and_nothing_else_is() -> None:
    html = (
        '<p>é <a class="x" href="https://a.example/?a=1&amp;b=2">a</a>\r\n'
        "<A title='1' HREF='http://b.example/'>b</A> <a href=https://c.example>c</a>\n"
        '<a href="mailto:x@y.example">m</a> '
        '<a data-rapport-track="off" href="https://d.example">d</a> <a href="#top">t</a>'
    )
    assert with_clicks(html, lambda address: f"T?{address}") == (
        '<p>é <a class="x" href="T?https://a.example/?a=1&amp;b=2">a</a>\r\n'
        '<A title=\'1\' HREF="T?http://b.example/">b</A> <a href="T?https://c.example">c</a>\n'
        '<a href="mailto:x@y.example">m</a> '
        '<a data-rapport-track="off" href="https://d.example">d</a> <a href="#top">t</a>'
    )


pieces = st.sampled_from(
    ['<a href="https://x.example">', "</a>", "<p>", "\n", "\r\n", "é", "<", "'", '"', "<a href='http://y.example'", ">",
     "<!--", "-->", "<script>", "</script>", "<a>", "text"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30).map("".join))
def test_whatever_the_html_is_like_its_text_stays_and_its_web_links_change(html: str) -> None:
    before, after = Seen(html), Seen(with_clicks(html, lambda address: f"https://T/{len(address)}"))
    assert after.text == before.text
    expected = [f"https://T/{len(link)}" if link.startswith("http") else link for link in before.links]
    assert after.links == expected


def test_only_so_many_links_are_changed() -> None:
    html = '<a href="https://x.example">x</a>' * (MOST + 5)
    assert with_clicks(html, lambda address: "T").count('"T"') == MOST


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>x</p>", "<p>x</p>PIXEL"),
        ("<body>x</BODY ></html>", "<body>xPIXEL</BODY ></html>"),
        ("</body>x</body>", "</body>xPIXEL</body>"),
    ],
)
def test_the_pixel_stands_at_the_end_of_the_body(html: str, expected: str) -> None:
    found = with_pixel(html, "https://mail.example/m/o/x?a&b")
    assert re.sub(r"<img[^>]*>", "PIXEL", found) == expected
    assert 'src="https://mail.example/m/o/x?a&amp;b"' in found
