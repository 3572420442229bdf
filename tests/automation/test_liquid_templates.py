"""Templates are the rule's, values are the customer's, and neither can hang or flood the platform."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.automation.templates import LARGEST_OUTPUT, ROOTS, parse, render
from services.automation.values import PARTS, values
from services.errors import Rejected
from tests.automation.causes import account, actions, cause, person, rule

VALUES = {
    "profile": {"traits": {"name": "<b>Ann & Bo"}},
    "touchpoint": {"timestamp": "2026-03-04T05:06:07.000Z", "properties": {"many": 10**9}},
    "now": "2026-05-06T00:00:00.000Z",
}


def test_values_are_put_in_and_what_is_not_known_about_a_person_is_empty() -> None:
    text = "Hi {{ profile.traits.name }}{{ profile.traits.age }} {{ profile.traits.nick | default: 'friend' }}"
    assert render(text, "t", VALUES) == "Hi <b>Ann & Bo friend"


def test_html_templates_escape_values_but_not_the_template() -> None:
    assert render("<p>{{ profile.traits.name }}</p>", "t", VALUES, html=True) == "<p>&lt;b&gt;Ann &amp; Bo</p>"


@given(st.text())
def test_a_value_is_never_a_template(value: str) -> None:
    for text in (value, "{{ now }}" + value, "{% if %}" + value):
        assert render("{{ profile.traits.x }}", "t", {"profile": {"traits": {"x": text}}}) == "\n".join(
            re.split("\r\n?", text)
        )


def test_now_is_the_time_that_was_given_and_not_the_clock() -> None:
    assert render("{{ 'now' | date: '%Y-%m-%d' }} {{ now | date: '%Y' }}", "t", VALUES) == "2026-05-06 2026"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("\n\n{{ profil.name }}", "line 3: `profil` is not known here; known are account, audience, now, profile"),
        ("\n{{ profile.trait.name }}", "line 2: `profile.trait` is not known here; profile has audiences, computed"),
        ("{% for a in touchpoint['props'] %}{% endfor %}", "line 1: `touchpoint.props` is not known here"),
        ("\n{{ now | upper }}", "line 2: there is no filter `upper`"),
        ("\n{% if now %}", "line 2"),
        ("{{ 'open", "line 1"),
        ("{% include 'other' %}", "unexpected tag 'include'"),
        ("{% if now %}" * 50 + "{% endif %}" * 50, "nesting"),
        ("x" * 70_000, "at most 65536"),
    ],
)
def test_a_wrong_template_is_told_with_its_name_and_line_before_it_is_ever_used(source: str, told: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(source, "of rule thanks, step 1, subject")
    assert refused.value.code == "template"
    assert (
        refused.value.reason.startswith("template of rule thanks, step 1, subject: ") and told in refused.value.reason
    )


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..100000) %}x{% endfor %}",
        "{% for i in (1..touchpoint.properties.many) %}x{% endfor %}",
        "{% for i in (1..5000) %}{% for j in (1..5000) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..9999) %}" + "x" * 100 + "{% endfor %}",
        "{% assign a = 'x' %}" + "{% assign a = a | append: a %}" * 60,
        "{% capture a %}x{% endcapture %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 60,
        "{% assign a = 9 %}" + "{% assign a = a | times: a %}" * 15 + "{{ a }}",
        "{{ 1 | divided_by: 0 }}",
    ],
)
def test_a_bomb_ends_in_an_error_that_names_the_template(source: str) -> None:
    with pytest.raises(Rejected, match="template bomb: "):
        render(source, "bomb", VALUES)


@given(st.text(alphabet="{}%|. 'abnowfilest", max_size=60))
def test_any_source_renders_or_is_refused_and_nothing_else(source: str) -> None:
    try:
        assert len(render(source, "t", VALUES).encode()) <= LARGEST_OUTPUT
    except Rejected as refused:
        assert refused.reason.startswith("template t: ")


def test_what_can_be_said_of_a_person_and_a_touchpoint_is_what_there_is() -> None:
    found = values(actions([rule()], cause())[0], person(), 0, account())
    assert {root: frozenset(found[root]) for root in PARTS} == PARTS
    for root, parts in PARTS.items():
        for part in parts:
            parse(f"{{{{ {root}.{part} }}}} {{{{ {root}['{part}'].deeper[now] }}}} {{{{ {root}[rule] }}}}", "t")


def test_the_names_of_the_documentation_are_the_ones_that_work() -> None:
    for root in ROOTS:
        parse(f"{{{{ {root} }}}}", "t")
