"""Without a read key only programs on this machine read profiles: no web pages, nor requests that hide their way."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.ingest.weberrors import explain_errors
from services.runtime import guard
from services.runtime.settings import Settings


def asked(settings: Settings, peer: str = "127.0.0.1", query: str = "", **headers: str) -> int:
    app = FastAPI()
    explain_errors(app)

    @app.get("/", dependencies=[guard.reader(settings)])
    def root() -> str:
        return ""

    named = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}

    async def talk() -> int:
        transport = httpx.ASGITransport(app, client=(peer, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get(f"/{query}", headers=list(named.items()))).status_code

    return asyncio.run(talk())


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080"])
def test_a_program_here_is_let_in(host: str) -> None:
    assert asked(Settings(), host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["", "[", "[::1", "localhost:x", "localhost:999999", "localhost/", "localhost@evil", "evil@localhost", "\xff",
     "evil.example", "evil_x.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"],
)  # fmt: skip
def test_a_host_that_is_not_this_machine_is_not_let_in_however_it_is_written(host: str) -> None:
    assert asked(Settings(), host=host) == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_elsewhere_is_not_let_in(site: str) -> None:
    assert asked(Settings(), host="localhost", sec_fetch_site=site) == 401
    assert asked(Settings(), host="localhost", sec_fetch_site="same-origin") == 200


def test_another_machine_is_not_let_in() -> None:
    assert asked(Settings(), peer="192.0.2.7", host="localhost") == 401


def test_a_key_of_a_workspace_reads_that_one_only() -> None:
    settings = Settings(read_keys={"shop": SecretStr("shop-key")})
    key = {"authorization": "Bearer shop-key", "host": "cdp.example"}
    assert asked(settings, query="?workspace=shop", **key) == 200
    for query in ("", "?workspace=main", "?workspace=shop&workspace=main", "?workspace=", "?workspace=SHOP"):
        assert asked(settings, query=query, **key) == 401
    assert asked(settings, query="?workspace=shop", host="localhost") == 401
    assert asked(settings, query="?workspace=shop", host="localhost", authorization="Bearer ") == 401
