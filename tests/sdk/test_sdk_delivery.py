"""From the buffer to the tracking API: once, in order, through failures; what is refused is told."""

import http.server
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rapport_sdk import Client, QueueFull, Rejection, Undelivered

from services.ingest.sources import Limits
from tests.sdk.tracking_api import TrackingApi

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def api() -> Iterator[TrackingApi]:
    listening = TrackingApi()
    yield listening
    listening.away()


@pytest.fixture(autouse=True)
def emptied(api: TrackingApi) -> None:
    api.platform.journal.touchpoints.clear()
    api.platform.journal.rejected.clear()
    api.platform.journal.full = False


def test_threads_send_and_everything_arrives_once(api: TrackingApi, tmp_path: Path) -> None:
    sent: list[str] = []
    with api.client(tmp_path, batch_events=70) as client:
        work = lambda k: sent.extend([client.track("e", user_id=f"u{k}") for _ in range(300)])  # noqa: E731
        threads = [threading.Thread(target=work, args=[k]) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.flush()
    assert len(sent) == 1_200 and sorted(api.sent) == sorted(sent)


def test_one_threads_events_arrive_in_their_order(api: TrackingApi, tmp_path: Path) -> None:
    with api.client(tmp_path) as client:
        sent = [client.track("e", user_id="u", properties={"n": n, "note": "x" * 3_000}) for n in range(700)]
    assert api.sent == sent  # over several batches, which are full by their bytes


def test_what_the_platform_refuses_is_told_and_the_others_arrive(api: TrackingApi, tmp_path: Path) -> None:
    refused: list[Rejection] = []
    with api.client(tmp_path, refused) as client:
        good = client.track("e", user_id="u")
        bad = client.track("e", user_id="null", properties={"total": 5})
        deep: dict[str, Any] = {}
        for _ in range(40):
            deep = {"in": deep}
        also_bad = client.track("e", user_id="u", properties=deep)
    assert api.sent == [good]
    assert [(one.message_id, one.code) for one in refused] == [(bad, "no_identifier"), (also_bad, "too_deep")]
    assert refused[0].field == "userId" and refused[0].event["properties"] == {"total": 5}
    assert "stands for nobody" in refused[0].reason


def test_an_error_in_on_error_stops_nothing(api: TrackingApi, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with api.client(tmp_path, on_error=lambda rejection: 1 / 0) as client:
        client.track("e", user_id="null")
        good = client.track("e", user_id="u")
    assert api.sent == [good] and "on_error raised" in caplog.text


def test_a_batch_that_is_refused_as_a_whole_is_halved(tmp_path: Path) -> None:
    strict, refused = TrackingApi(Limits(batch_events=3, event_bytes=2_000)), list[Rejection]()
    with strict.client(tmp_path, refused) as client:
        sent = [client.track("e", user_id="u", properties={"n": n}) for n in range(10)]
        large = client.track("e", user_id="u", properties={"note": "x" * 3_000})
        sent += [client.track("e", user_id="u", properties={"n": n}) for n in range(10)]
    assert strict.sent == sent
    assert [(one.message_id, one.code) for one in refused] == [(large, "too_large")]
    strict.away()


def test_a_damaged_event_is_found_in_its_batch(api: TrackingApi, tmp_path: Path) -> None:
    away = api.client(tmp_path, interval=60.0)
    before = [away.track("e", user_id="u") for _ in range(5)]
    (path,) = tmp_path.glob("*/*.events")
    whole = path.read_bytes()
    away.close(0)
    path.write_bytes(whole + b'{"type":"track",\x00\x00\n')
    refused: list[Rejection] = []
    with api.client(tmp_path, refused) as client:
        after = client.track("e", user_id="u")
    assert api.sent == [*before, after]
    assert [(one.code, one.event) for one in refused] == [("invalid_json", {"damaged": '{"type":"track",\x00\x00'})]


def test_it_waits_while_the_platform_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    api = TrackingApi()
    client = api.client(tmp_path)
    sent = [client.track("e", user_id="u")]
    client.flush()
    api.away()
    sent += [client.track("e", user_id="u") for _ in range(100)]
    with pytest.raises(Undelivered, match=r"still waiting in .* after 0.3 s: 100. Connection"):
        client.flush(0.3)
    api.back()
    client.flush()
    client.close()
    api.away()
    assert api.sent == sent
    assert [record.levelno for record in caplog.records if "wait on disk" in record.message] == [logging.WARNING]


def test_a_platform_that_cannot_keep_anything_is_asked_again_when_it_said(api: TrackingApi, tmp_path: Path) -> None:
    api.platform.journal.full = True  # 503, Retry-After: 3
    client = api.client(tmp_path)
    sent = client.track("e", user_id="u")
    with pytest.raises(Undelivered, match="503 nothing was kept"):
        client.flush(0.5)
    assert api.refusals(503) == 1  # it does not knock before it is time
    api.platform.journal.full = False
    client.flush()
    client.close()
    assert api.sent == [sent]


def test_a_wrong_key_loses_nothing(api: TrackingApi, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = Client("key-of-nobody", api.url, buffer=tmp_path, interval=0)
    client.track("e", user_id="u")
    with pytest.raises(Undelivered, match="401 the write key is not known"):
        client.flush(0.3)
    client.close(0)
    assert next(record.levelno for record in caplog.records if "401" in record.message) == logging.ERROR
    assert b'"userId":"u"' in next(tmp_path.glob("*/*.events")).read_bytes()


def test_a_proxy_that_refuses_everything_loses_nothing(tmp_path: Path) -> None:
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(400, "Bad Request")

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    refused: list[Rejection] = []
    api = TrackingApi.__new__(TrackingApi)
    api.port = server.server_port
    client = api.client(tmp_path, refused)
    client.track("e", user_id="u")
    with pytest.raises(Undelivered, match=r"after 0.3 s: 1. "):
        client.flush(0.3)
    client.close(0)
    server.shutdown()
    assert not refused


def test_a_full_buffer_holds_the_program_back(tmp_path: Path) -> None:
    api = TrackingApi()
    client = api.client(tmp_path, buffer_events=20, block=0.1)
    api.away()
    sent = [client.track("e", user_id="u") for _ in range(20)]
    with pytest.raises(QueueFull, match="20 events"):
        client.track("e", user_id="u")
    client._block = 20.0
    threading.Timer(0.2, api.back).start()
    sent.append(client.track("e", user_id="u"))  # waits until there is room
    client.close()
    assert api.sent == sent
    api.away()


def test_a_full_buffer_drops_and_tells_when_that_is_wanted(tmp_path: Path) -> None:
    api, refused = TrackingApi(), list[Rejection]()
    client = api.client(tmp_path, refused, buffer_events=20, block=0, on_full="drop")
    api.away()
    sent = [client.track("e", user_id="u") for _ in range(25)]
    assert [(one.message_id, one.code) for one in refused] == [(each, "buffer_full") for each in sent[20:]]
    client.close(0)


def test_a_forked_child_sends_its_own_and_nothing_of_its_parent(api: TrackingApi, tmp_path: Path) -> None:
    client = api.client(tmp_path, interval=0.2)
    sent = [client.track("parent", user_id="u", message_id=f"before-{n}") for n in range(50)]
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            for n in range(50):
                client.track("child", user_id="u", message_id=f"child-{child}-{n}")
            if child:  # the last words of the others are left on disk, for the parent to find
                client.flush()
            os._exit(0)
        children.append(pid)
        sent += [f"child-{child}-{n}" for n in range(50)]
    sent += [client.track("parent", user_id="u", message_id=f"after-{n}") for n in range(50)]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    client._buffer.adopt()
    client.flush(60)
    client.close()
    assert sorted(api.sent) == sorted(sent)
    assert not list(tmp_path.glob("*/*"))


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "raise ValueError('a bug')"])
def test_a_program_that_just_ends_has_sent_everything(api: TrackingApi, tmp_path: Path, end: str) -> None:
    program = f"""
import rapport_sdk
client = rapport_sdk.Client("key-shop", "{api.url}", buffer="{tmp_path}")
for n in range(30):
    client.track("e", user_id="u", message_id=f"last-words-{{n}}")
{end}
"""
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": "sdk/python"}, cwd=ROOT, timeout=60
    )
    assert api.sent == [f"last-words-{n}" for n in range(30)]


def test_a_closed_client_keeps_nothing_and_says_so(api: TrackingApi, tmp_path: Path) -> None:
    client = api.client(tmp_path)
    client.close()
    client.close()
    with pytest.raises(QueueFull, match="the client is closed"):
        client.track("e", user_id="u")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"host": "localhost:8080"}, "it must be a URL"),
        ({"host": "http://key:@localhost"}, "without user name"),
        ({"write_key": ""}, "config/sources.yaml"),
        ({"batch_events": 2_501}, "1 to 2500"),
        ({"on_full": "ignore"}, "'raise' or 'drop'"),
        ({"buffer_bytes": 10}, "at least 1048576"),
        ({"buffer": "/proc/nowhere"}, "give `buffer` a folder"),
    ],
)
def test_a_client_that_cannot_work_is_not_made(wrong: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        Client(**{"write_key": "key", "buffer": tmp_path, **wrong})
