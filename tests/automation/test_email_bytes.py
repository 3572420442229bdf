"""The bytes of an e-mail, as a mail server gets them."""

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Profile
from services.automation.actions.email import Email
from services.automation.follow_up import make
from services.automation.links import Links, key_of
from services.automation.steps import Step
from services.errors import Rejected
from tests.automation.causes import NOON, actions, cause, person, rule, touchpoint

LATER = NOON + 999


def made(profile: Profile | None = None, **step: Any) -> Email:
    base = {"from": "Shop <hello@shop.example>", "subject": "Hello", "text": "Hello\n"}
    given = Step.model_validate({"email": base | step})
    found = make(given, actions([rule()], cause())[0], profile or person(), LATER)
    assert isinstance(found, Email)
    return found


def read(sent: Email) -> EmailMessage:
    message = email.message_from_bytes(sent.message, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


def test_the_same_follow_up_is_the_same_bytes() -> None:
    both = {"html": "<p>Hi</p>", "text": "Hi"}
    assert made(**both) == made(**both)
    assert made().message_id == f"<{made().message_id[1:33]}@shop.example>"


def test_a_plain_and_an_html_text_are_alternatives() -> None:
    message = read(made(person(name="<Ann>"), text="Hi {{ profile.traits.name }}", html="Hi {{ profile.traits.name }}"))
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()
    assert (plain.get_content(), html.get_content()) == ("Hi <Ann>\r\n", "Hi &lt;Ann&gt;\r\n")  # type: ignore[attr-defined]


def test_date_and_addresses() -> None:
    sent = made()
    message = read(sent)
    assert (sent.sender, sent.to) == ("hello@shop.example", "ann@example.com")
    assert message["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert (message["From"], message["To"]) == ("Shop <hello@shop.example>", "ann@example.com")


def test_a_long_token_in_list_unsubscribe_stays_one_line_as_it_is() -> None:
    url = "https://shop.example/unsubscribe/" + "Zm9v" * 100
    sent = made(headers={"List-Unsubscribe": f"<{url}>, <mailto:stop@shop.example>"})
    assert f"\r\nList-Unsubscribe: <{url}>, <mailto:stop@shop.example>\r\n".encode() in sent.message


def test_a_long_chinese_subject_arrives_and_its_encoded_words_are_short_enough() -> None:
    subject = "欢迎回来您的订单已经发货了" * 12
    sent = made(subject=subject, **{"from": "好商店 <hello@shop.example>"})
    header = sent.message.partition(b"\r\n\r\n")[0]
    words = re.findall(rb"=\?[^?]+\?[^?]\?[^?]*\?=", header)
    assert len(words) > 5 and max(map(len, words)) <= 75, "RFC 2047, section 2"
    assert read(sent)["Subject"] == subject
    assert read(sent)["From"].addresses[0].display_name == "好商店"


@given(st.text(max_size=1500), st.text(max_size=60))
def test_whatever_a_customer_is_called_the_message_is_plain_smtp(name: str, subject: str) -> None:
    profile = person(name=name.encode("utf-8", "replace").decode())
    sent = made(profile, subject=f"Re: {subject[:9]}".replace("{", "") + "{{ profile.traits.name }}",
                text="{{ profile.traits.name }}", html="{{ profile.traits.name }}")  # fmt: skip
    assert sent.message.isascii()
    assert b"\n" not in sent.message.replace(b"\r\n", b"") and b"\r" not in sent.message.replace(b"\r\n", b"")
    assert max(map(len, sent.message.split(b"\r\n"))) <= 998
    assert set(read(sent).keys()) == {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}


@given(st.text(alphabet=st.sampled_from("你好张三 ab=?_é😀\t.") | st.characters(codec="utf-8"), max_size=300))
def test_every_subject_arrives_as_it_was_written_but_for_line_breaks(text: str) -> None:
    sent = made(person(name=text), subject="{{ profile.traits.name }}")
    (header,) = re.findall(rb"\r\nSubject: (.*(?:\r\n .*)*)\r\n", sent.message)
    words = [base64_or_q for base64_or_q in re.split(rb"\r\n ", header) if base64_or_q.startswith(b"=?")]
    assert max(map(len, words), default=0) <= 75, "RFC 2047, section 2"
    arrived = str(make_header(decode_header(header.decode("ascii").replace("\r\n", ""))))
    assert arrived == re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text).strip()


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\x00"])
def test_a_line_break_in_a_name_adds_no_header(break_: str) -> None:
    message = read(made(person(name=f"Ann{break_}Bcc: evil@x.example"), subject="Hi {{ profile.traits.name }}"))
    assert message["Subject"] == "Hi Ann Bcc: evil@x.example" and message["Bcc"] is None


@pytest.mark.parametrize(
    "address", ["a@x.example\r\nBcc: b@x.example", "a@x.example, b@x.example", "Ann <a@x.example>", "a b@x.example",
                "ann", "@x.example", "a@", "ünï@x.example", "a@x.example\n"]
)  # fmt: skip
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(Rejected) as refused:
        made(person(email=address))
    assert refused.value.code == "address"


def test_it_goes_to_the_trait_email_else_to_the_strongest_identifier_else_nowhere() -> None:
    assert made(person(email="ann@work.example")).to == "ann@work.example"
    assert made(person()).to == "ann@example.com"
    assert made(to="{{ touchpoint.source }}@x.example").to == "shop@x.example"
    unknown = Profile(
        workspace="main",
        profile_id="p" + "0" * 32,
        version=1,
        traits=fast.EMPTY,
        computed=fast.EMPTY,
        consent=fast.EMPTY,
    )
    with pytest.raises(Rejected, match="no e-mail address of the person is known"):
        made(unknown)


def test_a_text_can_speak_of_the_touchpoint() -> None:
    text = (
        "{{ touchpoint.event }} {{ touchpoint.properties.total }} {{ touchpoint.timestamp }} {{ rule }} {{ audience }}"
    )
    assert read(made(text=text)).get_content() == "Order Completed 12.5 2023-11-14T22:13:20.000Z thanks \r\n"
    assert touchpoint().timestamp == NOON


LINKS = Links("https://mail.example", key_of("a secret of more than 24 characters"))


def tracked(**step: Any) -> Email:
    base = {"from": "Shop <hello@shop.example>", "subject": "Hello", "text": "Stop: {{ unsubscribe_url }}\n"}
    given = Step.model_validate({"email": base | step})
    found = make(given, actions([rule()], cause())[0], person(), LATER, LINKS)
    assert isinstance(found, Email)
    return found


def test_one_click_unsubscription_stands_on_the_wire_in_one_line_each() -> None:
    for purpose in ("newsletter", None):
        sent = tracked(purpose=purpose, html="<p>Hi</p>")
        lines = sent.message.partition(b"\r\n\r\n")[0].split(b"\r\n")
        (where,) = [line for line in lines if line.lower().startswith(b"list-unsubscribe:")]
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
        found = re.fullmatch(rb"List-Unsubscribe: <https://mail\.example/m/u/([A-Za-z0-9_-]+)>", where)
        assert found and len(where) < 998
        about = LINKS.read("unsubscribe", found[1].decode())
        assert about and (about.workspace, about.rule, about.purpose) == ("main", "thanks", purpose or "")
        assert about.anchor == touchpoint().anchor
        assert b"ann@example.com" not in found[1]


def test_a_receipt_and_a_rule_with_a_header_of_its_own_get_none_of_ours() -> None:
    assert b"List-Unsubscribe" not in tracked(consent="unless_denied").message
    own = tracked(headers={"List-Unsubscribe": "<mailto:stop@shop.example>"}).message
    assert b"List-Unsubscribe: <mailto:stop@shop.example>\r\n" in own and b"One-Click" not in own


def test_links_of_html_go_by_way_of_us_and_the_pixel_tells_of_opening() -> None:
    html = '<a href="https://shop.example/?a=1&amp;b=2">shop</a> <a href="{{ unsubscribe_url }}">no more</a>'
    body = read(tracked(html=html)).get_body(("html",))
    assert body is not None
    text = str(body.get_content())
    to_shop, no_more = re.findall(r'href="([^"]+)"', text)
    about = LINKS.read("click", to_shop.rpartition("/")[2])
    assert about and about.url == "https://shop.example/?a=1&b=2"
    assert LINKS.read("unsubscribe", no_more.rpartition("/")[2])
    (pixel,) = re.findall(r'<img src="https://mail\.example/m/o/([^"]+)\.gif"', text)
    assert LINKS.read("open", pixel)


def test_a_rule_may_want_to_know_nothing() -> None:
    html = '<a href="https://shop.example/">shop</a>'
    body = read(tracked(html=html, track=[])).get_body(("html",))
    assert body is not None and str(body.get_content()).strip() == html


def test_the_same_tracked_follow_up_is_the_same_bytes() -> None:
    html = '<a href="https://shop.example/">shop</a>'
    assert tracked(html=html) == tracked(html=html)
