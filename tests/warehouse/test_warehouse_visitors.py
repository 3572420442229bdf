"""Who may ask the warehouse."""

import base64

import pytest

from services.errors import Rejected
from services.runtime.warehouse.visitors import Visitors

HOME = {"host": "127.0.0.1:8123"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def refused(visitors: Visitors, peer: str, headers: dict[str, str], given: dict[str, str] | None = None) -> str:
    with pytest.raises(Rejected) as error:
        visitors.admit(peer, headers, given or {})
    assert error.value.code == "login"
    return error.value.reason


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost", "localhost:8123", "[::1]:8123", "127.0.0.1"])
@pytest.mark.parametrize("user", [{}, basic("reader", ""), basic("default", ""), {"x-clickhouse-user": "reader"}])
def test_without_a_password_this_machine_may_ask(host: str, user: dict[str, str]) -> None:
    Visitors().admit("127.0.0.1", {"host": host} | user, {})


def test_without_a_password_no_other_machine_may_ask() -> None:
    assert "only this machine" in refused(Visitors(), "192.168.0.7", HOME)


@pytest.mark.parametrize("host", ["rebound.example:8123", "127.0.0.1.example", "", "reader@127.0.0.1"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(host: str) -> None:
    assert "Host" in refused(Visitors(), "127.0.0.1", {"host": host})


@pytest.mark.parametrize("header", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_a_web_page_is_refused(header: dict[str, str]) -> None:
    assert "web pages" in refused(Visitors(), "127.0.0.1", HOME | header)


def test_a_password_is_asked_for_everywhere_and_opens_from_everywhere() -> None:
    visitors = Visitors("secret")
    assert "password is wrong" in refused(visitors, "127.0.0.1", HOME)
    assert "password is wrong" in refused(visitors, "127.0.0.1", HOME | basic("reader", "guessed"))
    visitors.admit("192.168.0.7", {"host": "warehouse.example"} | basic("reader", "secret"), {})
    visitors.admit("192.168.0.7", {"x-clickhouse-user": "reader", "x-clickhouse-key": "secret"}, {})
    visitors.admit("192.168.0.7", {}, {"user": "reader", "password": "secret"})


@pytest.mark.parametrize("password", ["", "secret"])
def test_there_is_no_other_user(password: str) -> None:
    assert "no such user" in refused(Visitors(password), "127.0.0.1", HOME | basic("admin", password))


def test_what_is_no_basic_authorization_is_refused() -> None:
    assert "base64" in refused(Visitors(), "127.0.0.1", HOME | {"authorization": "Basic %"})
    assert "only Basic" in refused(Visitors(), "127.0.0.1", HOME | {"authorization": "Bearer x"})
