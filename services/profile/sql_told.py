"""What people told, as ClickHouse SQL: traits and consent, by the rules and bounds of add.py and consent.py.

`told` are the (name, text) that a call tells, `said` the (key, denied) of a touchpoint about consent.
"""

from sqlglot import exp

from services.conditions.sql_json import member, members
from services.conditions.sql_text import Part, Sql, among, call, column, compare, each, every, negated, part, some
from services.profile.add import NAME, VALUE
from services.profile.cell import CONSENTS, TRAITS
from services.profile.consent import EVENTS

_K, _V = call("tupleElement", column("e"), 1), call("tupleElement", column("e"), 2)


def _each_once(pairs: Sql) -> Sql:
    """Of a name that occurs twice the last one."""
    names = call("arrayMap", each("e", _K), column("r"))
    first = compare("=", call("indexOf", names, _K), column("i"))
    once = call("arrayFilter", each("e i", first), column("r"), call("arrayEnumerate", column("r")))
    return _once("r", call("arrayReverse", pairs), once)


def _once(name: str, value: Sql, body: Sql) -> Sql:
    """The body, with the value under a name."""
    return call("arrayElement", call("arrayMap", each(name, body), call("array", value)), 1)


def told(teller: str) -> Sql:
    """The traits that a touchpoint tells; none unless it is a call of the type `teller`."""
    fits = every(
        compare("!=", _K, "consent"),
        compare("<=", call("lengthUTF8", _K), NAME),
        compare("<=", call("length", _V), VALUE),
    )
    traits = _each_once(members(column("payload"), "traits"))
    return call("if", _is(teller), call("arrayFilter", each("e", fits), traits), _nothing("String"))


def _is(kind: str) -> Sql:
    return compare("=", column("type"), kind)


def _nothing(kind: str) -> Sql:
    return call("CAST", call("array"), f"Array(Tuple(String, {kind}))")


def last_told(name: str) -> Sql:
    """An aggregate: the last word on this trait, its text empty when there is none."""
    text = call("arrayFirst", each("e", compare("=", _K, name)), column("told"))
    word = call("tuple", column("ts"), column("message_id"), column("source"), call("tupleElement", text, 2))
    has = call("arrayExists", each("e", compare("=", _K, name)), column("told"))
    return call("tupleElement", call("maxIf", word, has), 4)


def names_of(pairs: str) -> Sql:
    """An aggregate: all names in this column, sorted."""
    return call("arraySort", call("groupUniqArrayArray", call("arrayMap", each("e", _K), column(pairs))))


def kept(names: Sql, name: str, most: int) -> Sql:
    """Whether this name is among the least ones, which are kept."""
    last = call("arrayElement", names, most)
    return some(compare("<=", call("length", names), most), compare(">=", last, name))


def trait(text: Sql, names: Sql, name: str) -> Sql:
    """The text of a told trait, empty when it is beyond the bound."""
    return call("if", kept(names, name, TRAITS), text, "")


def said() -> Sql:
    """What a touchpoint says about consent."""
    event = every(_is("track"), among(column("event"), list(EVENTS)))
    by_call = call("if", _is("identify"), _by_call(), _nothing("UInt8"))
    return call("if", event, _by_event(), by_call)


def _by_call() -> Sql:
    """{channel: answer} or {channel: {purpose: answer}}."""
    whole = member(members(column("payload"), "traits"), "consent")
    channels = call("arrayFilter", each("e", _named(_K)), _each_once(members(whole)))
    purposes = call("arrayMap", each("p", call("tuple", call("concat", _K, "/", _at("p", 1)), _at("p", 2))),
                    call("arrayFilter", each("p", _named(_at("p", 1))), _each_once(members(_V))))  # fmt: skip
    nested = every(call("startsWith", _V, "{"), negated(_has_granted(_V)))
    answers = call("arrayMap", each("e", call("if", nested, purposes, call("array", column("e")))), channels)
    flat = call("arrayFlatten", answers)
    denied = call("arrayMap", each("a", call("tuple", _at("a", 1), _denied(_at("a", 2)))), flat)
    heard = call("arrayFilter", each("a", call("isNotNull", _at("a", 2))), denied)
    return call("arrayMap", each("a", call("tuple", _at("a", 1), call("toUInt8", call("assumeNotNull", _at("a", 2))))),
                heard)  # fmt: skip


def _at(name: str, place: int) -> Sql:
    return call("tupleElement", column(name), place)


def _has_granted(text: Sql) -> Sql:
    return compare("!=", member(members(text), "granted"), "")


def _denied(text: Sql) -> Sql:
    """1, 0, or NULL for what could not be understood."""
    granted = call("if", call("startsWith", text, "{"), member(members(text), "granted"), text)
    plain = negated(call("startsWith", text, "{"))
    yes = some(compare("=", granted, "true"), every(plain, compare("=", granted, '"granted"')))
    no = some(compare("=", granted, "false"), every(plain, compare("=", granted, '"denied"')))
    return call("multiIf", yes, 0, no, 1, exp.Null())


def _named(text: Sql) -> Sql:
    return every(compare("!=", text, ""), compare("<=", call("lengthUTF8", text), NAME))


def _by_event() -> Sql:
    """What one of the EVENTS says; `c` and `p` are the channel's and the purpose's JSON text."""
    properties = members(column("payload"), "properties")
    of_consent = call("startsWith", column("event"), "Consent")
    channel = call("if", of_consent, member(properties, "channel"), '"email"')
    purpose = call("if", compare("=", column("event"), "Email Marked as Spam"), "", member(properties, "purpose"))
    denied = among(column("event"), [name for name, no in EVENTS.items() if no])
    c, p = call("JSONExtractString", column("c")), call("JSONExtractString", column("p"))
    named_c, named_p = (every(call("startsWith", column(j), '"'), _named(text)) for j, text in (("c", c), ("p", p)))
    alone = some(among(column("p"), ["", "null", '""']), every(denied, negated(named_p)))
    key: Part = call("if", alone, c, call("concat", c, "/", p))
    good = every(named_c, some(alone, named_p))
    pairs = call("if", good, call("array", call("tuple", key, call("toUInt8", denied))), _nothing("UInt8"))
    return _once("c", channel, _once("p", purpose, pairs))


def word(key: str) -> Sql:
    """An aggregate: the last word under this key, as (said, timestamp, message id, denied)."""
    mine = compare("=", _K, key)
    denied = call("arrayMax", call("arrayMap", each("e", _V), call("arrayFilter", each("e", mine), column("said"))))
    spoken = call("tuple", call("toUInt8", 1), column("ts"), column("message_id"), denied)
    return call("maxIf", spoken, call("arrayExists", each("e", mine), column("said")))


def answer(own: Sql, whole: Sql, names: Sql, key: str) -> Sql:
    """ "granted", "denied", or empty when nothing was said under the key."""
    channel = key.partition("/")[0]

    def moment(one: Sql) -> Sql:
        return call("tuple", call("tupleElement", one, 2), call("tupleElement", one, 3))

    later = every(
        kept(names, channel, CONSENTS),
        call("tupleElement", whole, 1),
        call("tupleElement", whole, 4),
        compare(">=", moment(whole), moment(own)),
    )
    said = every(call("tupleElement", own, 1), kept(names, key, CONSENTS))
    denied = some(call("tupleElement", own, 4), later)
    return call("if", said, call("if", denied, part("denied"), part("granted")), "")
