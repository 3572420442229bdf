"""The ledger of consent in the warehouse says of every touchpoint what the profile's cell understands."""

from itertools import count
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.fast import Touchpoint
from services.profile import consent
from services.profile.cell import Cell
from tests.warehouse.warehouse_lines import NOW, touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess

_numbers = count()
_decode = msgspec.json.Decoder(Touchpoint).decode

channels = st.sampled_from(["email", "sms", "wechat", "电话", "a/b", "", "x" * 128, "x" * 129])
purposes = st.sampled_from(["newsletter", "receipts", "a/b", "", "通知", "y" * 128, "y" * 129])
junk = st.none() | st.integers(-1, 1) | st.just("yes") | st.just([]) | st.just([True])
plain = st.booleans() | st.sampled_from(["granted", "denied"])
told = plain | st.fixed_dictionaries(
    {"granted": st.booleans() | junk | st.just("granted")}, optional={"by": st.just("Ann"), "proof": plain | junk}
)
said = st.dictionaries(channels, told | junk | st.dictionaries(purposes, told | junk, max_size=3), max_size=3)
identify = st.builds(lambda one: {"type": "identify", "event": "", "traits": {"consent": one}}, said | junk | plain)
happened = st.builds(
    lambda event, properties: {"event": event, "properties": properties},
    st.sampled_from([*consent.EVENTS, "Order Completed"]),
    st.fixed_dictionaries(
        {}, optional={"channel": channels | junk, "purpose": purposes | junk, "by": st.just("Bob"), "proof": junk}
    ),
)


def understood(line: bytes) -> dict[str, bool]:
    """What the cell makes of it: {channel or channel/purpose: denied}."""
    cell, one = Cell(), _decode(line)
    if one.type == "identify":
        consent.told(cell, one, msgspec.json.decode(one.traits, type=dict[str, msgspec.Raw])["consent"])
    elif one.event in consent.EVENTS:
        consent.happened(cell, one)
    return {key: denied for key, (_, _, denied) in cell.consent.items()}


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(identify | happened, min_size=40, max_size=80))
def test_the_view_and_the_cell_understand_the_same(warehouse: WarehouseProcess, calls: list[dict[str, Any]]) -> None:
    name = f"c{next(_numbers)}"
    lines = [touchpoint(n, workspace=name, **call) for n, call in enumerate(calls)]
    warehouse.publish("touchpoints", lines)
    warehouse.caught_up("touchpoints")
    rows = warehouse.rows(
        f"SELECT message_id, channel || if(purpose = '', '', '/' || purpose), answer FROM consents"
        f" WHERE workspace = '{name}'"
    )
    seen: dict[str, dict[str, bool]] = {}
    for message_id, key, answer in rows:
        assert key not in seen.get(message_id, {}), "each answer once"
        seen.setdefault(message_id, {})[key] = answer == "denied"
    wanted = {f"m{n}": found for n, line in enumerate(lines) if (found := understood(line))}
    assert seen == wanted


def test_an_answer_is_shown_with_who_when_whence_and_the_proof(warehouse: WarehouseProcess) -> None:
    proof = {"form": "checkout", "ip": "192.0.2.1"}
    given = {"email": {"newsletter": {"granted": True, "by": "shop assistant", "proof": proof}}, "sms": False}
    lines = [
        touchpoint(1, workspace="ledger", type="identify", event="", traits={"consent": given}, trust="server"),
        touchpoint(2, workspace="ledger", event="Email Unsubscribed", properties={"purpose": "newsletter"}),
        touchpoint(3, workspace="ledger", event="Consent Denied",
                   properties={"channel": "call", "by": "ann", "proof": "rec-7"}, trust="signed"),
    ]  # fmt: skip
    warehouse.publish("touchpoints", lines)
    warehouse.caught_up("touchpoints")
    rows = warehouse.rows(
        "SELECT channel, purpose, answer, toUnixTimestamp64Milli(timestamp), source, trust, by, proof, event, anchor,"
        " message_id FROM consents WHERE workspace = 'ledger' ORDER BY timestamp, channel"
    )
    text = '{"form":"checkout","ip":"192.0.2.1"}'
    assert rows == [
        ["email", "newsletter", "granted", NOW + 1, "shop", "server", "shop assistant", text, "", "user_id:u1", "m1"],
        ["sms", "", "denied", NOW + 1, "shop", "server", "", "", "", "user_id:u1", "m1"],
        ["email", "newsletter", "denied", NOW + 2, "shop", "public", "", "", "Email Unsubscribed", "user_id:u2", "m2"],
        ["call", "", "denied", NOW + 3, "shop", "signed", "ann", "rec-7", "Consent Denied", "user_id:u3", "m3"],
    ]
