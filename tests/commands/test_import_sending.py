"""Batches on their way to a platform that is busy, away, or refuses: nothing is lost, and it goes on where it was."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from services.commands.imports.importing import Way, import_file
from services.commands.imports.sending import Tally, post
from services.errors import RapportError
from services.ingest.imports.row import Row
from services.ingest.sources import Limits, Source
from services.runtime import frames
from services.runtime.files import Files

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://rapport")


def accept(request: httpx.Request) -> httpx.Response:
    items = json.loads(request.content)["batch"]
    return httpx.Response(200, json={"items": [{"messageId": one["messageId"], "status": "accepted"} for one in items]})


def test_a_platform_that_is_busy_or_away_is_asked_again_after_as_long_as_it_says() -> None:
    answers = [
        httpx.Response(429, headers={"retry-after": "7"}, json={"message": "too fast"}),
        httpx.Response(503, headers={"retry-after": "900"}, json={"message": "disk full"}),
        httpx.ConnectError("refused"),
    ]

    def busy(request: httpx.Request) -> httpx.Response:
        if not answers:
            return accept(request)
        if isinstance(answers[0], Exception):
            raise answers.pop(0)
        return answers.pop(0)

    waited: list[float] = []
    verdicts = post(client(busy), [Row(1, b'{"messageId":"m"}'), Row(2, b"", "bad")], "key", waited.append)
    assert verdicts == [{"messageId": "m", "status": "accepted"}] and waited == [7.0, 30.0, 1.5]


@pytest.mark.parametrize("status", [400, 401, 413])
def test_what_will_not_become_right_is_told_at_once(status: int) -> None:
    with pytest.raises(RapportError, match=r"line 3 to 9 could not be sent: no key.*Run the same command again"):
        post(client(lambda _: httpx.Response(status, json={"message": "no key"})), [Row(3, b"{}"), Row(9, b"{}")], "k")


def test_a_batch_with_nothing_to_send_is_not_sent() -> None:
    tally = Tally()
    batch = [Row(1, b"", "why", "unreadable", "f")]
    verdicts = post(client(lambda _: pytest.fail("it was sent")), batch, "key")
    (bad,) = tally.add("x", batch, verdicts)
    assert tally.counts() == {"rows": 1, "accepted": 0, "duplicates": 0, "rejected": 1, "unsent": 1}
    assert bad.why == ("x", 1, "unreadable", "f", "why")


def test_an_import_goes_on_behind_the_last_answer_and_a_changed_file_begins_anew(tmp_path: Path) -> None:
    frames.open_file(tmp_path / "log.db").close()
    file, files = tmp_path / "events.ndjson", Files(tmp_path)
    file.write_text("\n".join(f'{{"type":"page","userId":"u{n}"}}' if n != 3 else "{bad" for n in range(10)))
    way = Way(Source(name="import", write_key="k"), Limits(batch_events=2), None, None, quiet=True)
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        items = json.loads(request.content)["batch"]
        if len(sent) >= 6:
            return httpx.Response(401, json={"message": "the key was changed"})
        sent.extend(one["userId"] if isinstance(one, dict) else one for one in items)
        told = [{"messageId": "m", "status": "accepted" if isinstance(one, dict) else "rejected", "code": "c"}
                for one in items]  # fmt: skip
        return httpx.Response(200, json={"items": told})

    with pytest.raises(RapportError, match="line 7 to 8"):
        import_file(way, str(file), client(answer), files)
    assert sent == ["u0", "u1", "u2", "{bad", "u4", "u5"]
    sent.clear()
    tally, refused = import_file(way, str(file), client(answer), files)
    assert sent == ["u6", "u7", "u8", "u9"] and refused is not None
    assert tally.counts() == {"rows": 10, "accepted": 9, "duplicates": 0, "rejected": 1, "unsent": 0}
    assert [json.loads(line)["was"] for line in refused.read_text().splitlines()] == ["{bad"]
    sent.clear()
    with pytest.raises(RapportError):
        import_file(way, str(file), client(answer), files)
    file.write_text('{"type":"page","userId":"other"}')
    sent.clear()
    tally, refused = import_file(way, str(file), client(answer), files)
    assert sent == ["other"] and tally.rows == 1 and refused is None
    assert not (tmp_path / "events.ndjson.rejected.ndjson").exists()
