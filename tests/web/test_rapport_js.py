"""Our own script in a real browser: what it notices, what it keeps, and what it never does."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.e2e.running import eventually
from tests.web.chromium import Collector, Site, said

TAG = '<!doctype html><title>Shop</title><script src="{url}/rapport.js" data-key="key-web"{more}></script>'


def opened(
    context: BrowserContext, site: Site, collector: Collector, more: str = "", body: str = "", query: str = ""
) -> Page:
    """A page with the script's tag, and `more` attributes in it."""
    site.pages["/"] = TAG.format(url=collector.url, more=" " + more) + body
    site.pages["/other"] = TAG.format(url=collector.url, more=" " + more)
    page = context.new_page()
    page.goto(f"{site.url}/{query}")
    return page


def stored(page: Page) -> list[str]:
    """The names of what lies in the browser on account of this page."""
    return page.evaluate("[...Object.keys(localStorage), ...document.cookie.split('; ').filter(Boolean)]")


def queued(page: Page) -> int:
    return sum(name.startswith("rapport:call:") for name in stored(page))


def test_a_page_view_begins_a_session(context: BrowserContext, site: Site, collector: Collector) -> None:
    page = opened(context, site, collector, query="?utm_source=news&utm_campaign=spring&utm_x=y&gclid=1")
    started, seen = collector.sent(2)
    assert collector.events() == ["Session Started", "page"]
    assert seen["properties"]["title"] == "Shop"
    assert seen["properties"]["url"].startswith(site.url)
    for one in (started, seen):
        assert one["context"]["campaign"] == {"source": "news", "name": "spring"}
        assert re.fullmatch("[0-9a-f]{32}", one["context"]["sessionId"])
        assert one["context"]["page"]["path"] == "/"
        assert one["sent_at"] >= one["original_timestamp"]
    assert started["identifiers"] == seen["identifiers"]
    eventually(lambda: not queued(page))


def test_the_session_and_the_visitor_outlast_the_page_and_the_session_ends_after_half_an_hour(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector, query="?utm_source=news")
    page.goto(f"{site.url}/other")
    assert collector.events(3) == ["Session Started", "page", "page"]
    page.evaluate("""() => {
      const session = JSON.parse(localStorage["rapport:session"])
      localStorage["rapport:session"] = JSON.stringify({ ...session, last: session.last - 30 * 60 * 1000 })
      rapport.track("Back Again")
    }""")
    assert collector.events(5)[3:] == ["Session Started", "Back Again"]
    first, *_, last = collector.sent()
    assert len({one["context"]["sessionId"] for one in collector.sent()[:3]}) == 1
    assert first["context"]["sessionId"] != last["context"]["sessionId"]
    assert first["context"]["campaign"] == {"source": "news"}
    assert "campaign" not in last["context"]
    assert len({one["anchor"] for one in collector.sent()}) == 1


def test_pages_of_a_single_page_application_are_seen(context: BrowserContext, site: Site, collector: Collector) -> None:
    page = opened(context, site, collector)
    page.evaluate("""async () => {
      const soon = () => new Promise((done) => setTimeout(done, 30))
      history.pushState({}, "", "/cart?step=1"); document.title = "Cart"; await soon()
      history.replaceState({ scroll: 7 }, "", "/cart?step=1"); await soon()
      location.hash = "details"; await soon()
      history.replaceState({}, "", "/thanks"); await soon()
      history.pushState({}, "", "/more"); await soon()
      history.back(); await soon()
      dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))  // back to a page that was kept whole
    }""")
    seen = [one["properties"] for one in collector.sent(7) if one["type"] == "page"]
    assert [(one["path"], one["search"]) for one in seen] == [
        ("/", ""), ("/cart", "?step=1"), ("/thanks", ""), ("/more", ""), ("/thanks", ""), ("/thanks", ""),
    ]  # fmt: skip
    assert seen[1]["title"] == "Cart"
    assert seen[1]["referrer"] == f"{site.url}/"


def test_clicks_on_marked_elements_are_events(context: BrowserContext, site: Site, collector: Collector) -> None:
    body = """<a href="#" data-rapport-event="Plan Chosen" data-rapport-plan="pro" data-rapport-plan-id="7" data-x="y">
      <b id="inside">Pro</b></a> <button id="other">Other</button>"""
    page = opened(context, site, collector, body=body)
    page.click("#other")
    page.click("#inside")
    assert collector.events(3) == ["Session Started", "page", "Plan Chosen"]
    assert collector.sent()[2]["properties"] == {"plan": "pro", "plan_id": "7"}


def test_what_is_noticed_can_be_switched_off(context: BrowserContext, site: Site, collector: Collector) -> None:
    body = '<button id="buy" data-rapport-event="Bought">Buy</button>'
    page = opened(context, site, collector, 'data-pages="false" data-clicks="false"', body)
    page.click("#buy")
    page.evaluate("history.pushState({}, '', '/cart')")
    page.evaluate("rapport.track('Own')")
    assert collector.events(2) == ["Session Started", "Own"]


def test_a_known_person_is_named_in_every_call_until_reset(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector, 'data-pages="false"')
    page.evaluate("""() => {
      rapport.track("Looked"); rapport.identify("u1", { email: "Ann@Example.com" })
      rapport.track("Ordered", { total: 41.97 }); rapport.group("acme", { name: "ACME" }); rapport.page("Home")
      rapport.identify({ plan: "pro" }); rapport.reset(); rapport.track("Left")
    }""")
    _, looked, identified, ordered, group, home, traits, _, left = collector.sent(9)
    (anonymous,) = looked["identifiers"]
    assert identified["identifiers"] == ["user_id:u1", "email:ann@example.com", anonymous]
    assert {tuple(one["identifiers"]) for one in (ordered, group, home, traits)} == {("user_id:u1", anonymous)}
    assert (ordered["properties"], group["group_id"], group["traits"]) == ({"total": 41.97}, "acme", {"name": "ACME"})
    assert (home["event"], traits["traits"]) == ("Home", {"plan": "pro"})
    assert len(left["identifiers"]) == 1
    assert left["identifiers"] != [anonymous]


def test_another_person_at_the_same_browser_does_not_inherit_the_visitor(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector, 'data-pages="false"')
    page.evaluate("() => { for (const user of ['u1', 'u1', 2]) rapport.identify(user) }")
    first, again, other = (one["identifiers"] for one in collector.sent(5) if one["type"] == "identify")
    assert first == again
    assert other[0] == "user_id:2"
    assert other[1] != first[1]


def test_subdomains_share_a_visitor_and_hear_of_a_reset(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector, 'data-pages="false" data-cookie-domain="shop.test"')
    first, second = (site.url.replace("localhost", f"{name}.shop.test") for name in ("www", "blog"))
    for address, script in [
        (first, "rapport.identify('u1')"),
        (second, "rapport.identify('u1'); rapport.track('Read')"),
        (first, "rapport.reset(); rapport.track('Out')"),
        (second, "rapport.track('Read More')"),
    ]:
        page.goto(address)
        page.evaluate(script)
        eventually(lambda: not queued(page))
    read, out, more = (one["identifiers"] for one in collector.sent() if one["event"] in ("Read", "Out", "Read More"))
    assert read == collector.sent()[1]["identifiers"]
    assert out == more
    assert (len(more), more[0] in read) == (1, False)


def test_calls_made_before_the_script_is_there_are_not_lost(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    site.pages["/"] = f"""<!doctype html><script>
        window.rapport = window.rapport || []
        rapport.push(["init", "key-web", {{ host: "{collector.url}/", pages: false }}])
        rapport.push(["identify", "u1"]); rapport.push(["track", "Early", {{ n: 1 }}])
      </script><script async src="{collector.url}/rapport.js"></script>"""
    page = context.new_page()
    page.goto(site.url)
    assert collector.events(3) == ["Session Started", "identify", "Early"]
    page.evaluate("rapport.push(['track', 'Late'])")
    assert collector.events(4)[3] == "Late"


def test_nothing_is_stored_or_sent_before_consent_and_what_was_seen_is_sent_after(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector, 'data-consent="required"')
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate("rapport.track('Looked')")
    page.wait_for_timeout(500)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange')); dispatchEvent(new Event('pagehide'))")
    assert (stored(page), requests, collector.events()) == ([], [], [])
    page.evaluate("rapport.consent({ email: true, analytics: true })")
    assert collector.events(4) == ["Session Started", "page", "Looked", "identify"]
    assert collector.sent()[3]["traits"] == {"consent": {"email": True, "analytics": True}}
    assert len({one["anchor"] for one in collector.sent()}) == 1
    page.goto(f"{site.url}/other")
    assert collector.events(5)[4] == "page"


def test_a_refusal_is_remembered_and_nothing_else(context: BrowserContext, site: Site, collector: Collector) -> None:
    page = opened(context, site, collector, 'data-consent="required"')
    page.evaluate("rapport.consent({ analytics: false })")
    page.goto(f"{site.url}/other")
    page.evaluate("rapport.track('Looked'); rapport.identify('u1'); rapport.page()")
    page.wait_for_timeout(500)
    assert (stored(page), collector.events()) == (["rapport:consent"], [])


def test_consent_withdrawn_is_told_and_then_nothing_more(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    collector.sent(2)
    page.evaluate("rapport.identify('u1'); rapport.consent({ analytics: false }); rapport.track('Looked')")
    assert collector.events(4) == ["Session Started", "page", "identify", "identify"]
    assert collector.sent()[3]["traits"] == {"consent": {"analytics": False}}
    assert "user_id:u1" in collector.sent()[3]["identifiers"]
    eventually(lambda: stored(page) == ["rapport:consent"])
    page.evaluate("rapport.consent({ analytics: true }); rapport.track('Looked')")
    assert collector.events(7)[4:] == ["Session Started", "identify", "Looked"]


def test_what_happens_offline_arrives_once_when_the_network_is_back(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    collector.sent(2)
    context.set_offline(True)
    page.evaluate("() => { for (let n = 0; n < 120; n++) rapport.track(`Event ${n}`) }")
    page.wait_for_timeout(500)
    assert queued(page) == 120
    assert len(collector.sent()) == 2
    context.set_offline(False)
    assert collector.events(122)[2:] == [f"Event {n}" for n in range(120)]
    eventually(lambda: queued(page) == 0)
    assert len(collector.platform.touchpoints) == 122
    assert collector.sent()[2]["original_timestamp"] < collector.sent()[2]["sent_at"] - 400


def test_a_collector_that_is_away_or_full_loses_nothing(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    collector.sent(2)
    collector.platform.journal.full = True
    page.evaluate("rapport.track('While Full')")
    page.wait_for_timeout(300)
    collector.away()
    page.evaluate("rapport.track('While Away')")
    page.wait_for_timeout(300)
    assert queued(page) == 2
    collector.platform.journal.full = False
    collector.back()
    assert collector.events(4)[2:] == ["While Full", "While Away"]
    eventually(lambda: queued(page) == 0)
    assert len(collector.platform.touchpoints) == 4


def test_what_one_page_could_not_send_the_next_one_sends(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    collector.sent(2)
    collector.platform.journal.full = True
    page.evaluate("rapport.track('Ordered')")
    page.goto(f"{site.url}/other")
    collector.platform.journal.full = False
    assert collector.events(4)[2:] == ["Ordered", "page"]
    eventually(lambda: queued(page) == 0)


@pytest.mark.parametrize("leave", ["another page", "closed"])
def test_a_click_that_leaves_the_page_goes_out_by_beacon(
    context: BrowserContext, site: Site, collector: Collector, leave: str
) -> None:
    page = opened(context, site, collector)
    collector.sent(2)
    eventually(lambda: not queued(page))
    site.pages["/plain"] = "<title>Without the script</title>"
    page.evaluate("""() => {
      const own = navigator.sendBeacon
      navigator.sendBeacon = (...given) => (localStorage.beacons = own.apply(navigator, given))
    }""")
    if leave == "closed":
        page.evaluate("rapport.track('Last Words')")
        page.close(run_before_unload=True)
        page = context.new_page()
        page.goto(f"{site.url}/plain")
    else:
        page.evaluate("rapport.track('Last Words'); location.href = '/plain'")
        page.wait_for_url("**/plain")
    assert collector.events(3)[2] == "Last Words"
    assert page.evaluate("localStorage.beacons") == "true"


def test_a_call_that_was_sent_twice_is_known_by_its_id(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    collector.sent(2)
    eventually(lambda: not queued(page))
    page.evaluate("rapport.track('Last Words'); location.href = '/other'")
    assert collector.events(4)[2:] == ["Last Words", "page"]
    page.wait_for_url("**/other")
    eventually(lambda: not queued(page))
    keys = [(one["message_id"], one["anchor"]) for one in collector.platform.touchpoints]
    assert len(set(keys)) == 4


def test_the_queue_is_bounded_and_old_or_spoiled_entries_are_dropped(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector, 'data-pages="false"')
    collector.platform.journal.full = True
    page.evaluate("""() => {
      const call = { type: "track", event: "Early", anonymousId: "a1", timestamp: new Date() }
      const put = (id, call) => (localStorage["rapport:call:" + id] = JSON.stringify({ ...call, messageId: id }))
      for (let n = 100; n < 598; n++) put(`00000000${n}`, call)
      put("00000000aa", { ...call, timestamp: new Date(Date.now() - 8 * 864e5) })
      localStorage["rapport:call:00000000ab"] = "{broken"
      localStorage["somebody else's"] = "kept"
      rapport.track("Late")
    }""")
    assert queued(page) == 500
    collector.platform.journal.full = False
    sent = collector.sent(498)
    assert [sent[0]["message_id"], sent[-1]["event"], len(sent)] == ["00000000102", "Late", 498]
    eventually(lambda: queued(page) == 0)
    assert page.evaluate('localStorage["somebody else\'s"]') == "kept"


def test_a_wrong_call_breaks_no_page_and_is_explained_in_the_console(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector, 'data-pages="false"')
    lines = said(page)
    page.evaluate("""() => {
      const loop = {}; loop.loop = loop
      rapport.track("Loop", loop); rapport.track("Large", { text: "ü".repeat(20000) }); rapport.push(["fly"])
      rapport.track("Good")
    }""")
    assert collector.events(2) == ["Session Started", "Good"]
    page.evaluate("rapport.track()")
    eventually(lambda: page.evaluate("1") and len(lines) >= 3)
    assert [word in line for word, line in zip(("cannot be sent", "cannot be sent", "`event`"), lines, strict=True)]
    assert [one["code"] for one in collector.platform.rejected] == ["missing_field"]


def test_the_script_needs_no_eval_and_nothing_inline(context: BrowserContext, site: Site, collector: Collector) -> None:
    site.headers["content-security-policy"] = (
        f"default-src 'none'; script-src {collector.url}; connect-src {collector.url};"
        " require-trusted-types-for 'script'"
    )
    page = context.new_page()
    lines = said(page)
    site.pages["/"] = TAG.format(url=collector.url, more="")
    page.goto(site.url)
    assert collector.events(2) == ["Session Started", "page"]
    assert not [line for line in lines if "favicon" not in line]


def test_without_storage_a_page_still_tells_what_it_sees(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    site.pages["/"] = """<script>
      Object.defineProperty(window, "localStorage", { get() { throw new Error("denied") } })
    </script>""" + TAG.format(url=collector.url, more="")
    page = context.new_page()
    page.goto(site.url)
    page.evaluate("rapport.track('Looked')")
    assert collector.events(3) == ["Session Started", "page", "Looked"]
    assert len({one["anchor"] for one in collector.sent()}) == 1


def test_an_image_tag_is_a_touchpoint(context: BrowserContext, site: Site, collector: Collector) -> None:
    site.pages["/"] = f"""<img id="pixel"
      src="{collector.url}/v1/pixel/track.gif?writeKey=key-web&event=Opened&anonymousId=a1&properties.mail=7">"""
    page = context.new_page()
    page.goto(site.url)
    assert page.evaluate("document.getElementById('pixel').naturalWidth") == 1
    assert [(one["event"], one["properties"]) for one in collector.sent(1)] == [("Opened", {"mail": "7"})]


def test_pages_cannot_read_what_is_not_meant_for_them(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    outcomes: list[Any] = page.evaluate(
        "(url) => Promise.all(['/metrics', '/readyz', '/v1/projects/key-web/settings'].map((path) =>"
        " fetch(url + path).then((answer) => answer.status, () => 'refused')))",
        collector.url,
    )
    assert outcomes == ["refused", "refused", 200]
