"""Segment's browser SDK, unmodified from npm, in a real browser: told where to get its settings, it works with us."""

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.web.chromium import Collector, Site, package, said

SDK = "@segment/analytics-next/dist/umd/index.js"
BATCHING = '{deliveryStrategy: {strategy: "batching", config: {size: 100, timeout: 60000}}}'


def opened(context: BrowserContext, site: Site, collector: Collector, options: str = "{}") -> Page:
    """A page with the SDK, loaded as its documentation says."""
    package(SDK)
    site.pages["/other"] = "<title>Another page</title>"
    site.pages["/"] = f"""<!doctype html><title>Shop</title><script src="/npm/{SDK}"></script><script>
      const analytics = AnalyticsNext.AnalyticsBrowser.load(
        {{ writeKey: "key-web", cdnURL: "{collector.url}" }}, {options})
    </script>"""
    page = context.new_page()
    page.goto(f"{site.url}/?utm_source=news&utm_campaign=spring")
    return page


def test_every_call_arrives_once_with_the_right_identifiers(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    lines = said(page)
    anonymous = page.evaluate("analytics.ready().then(() => analytics.instance.user().anonymousId())")
    page.evaluate("""async () => {
      await analytics.page("Home")
      await analytics.track("Product Viewed", { sku: "s1", price: 19.99 })
      await analytics.identify("u1", { email: "Ann@Example.com", plan: "pro" })
      await analytics.track("Order Completed", { total: 41.97 })
      await analytics.group("acme", { name: "ACME" })
      await analytics.screen("Start")
      await analytics.reset()
      await analytics.track("Looked Around")
      await analytics.alias("u2", "u1")
    }""")
    sent = collector.sent(8)
    assert [one["type"] for one in sent] == ["page", "track", "identify", "track", "group", "screen", "track", "alias"]
    before, known = f"anonymous_id:{anonymous}", ["user_id:u1", "email:ann@example.com", f"anonymous_id:{anonymous}"]
    assert [one["identifiers"] for one in sent[:3]] == [[before], [before], known]
    assert all({"user_id:u1", before} <= set(one["identifiers"]) for one in sent[3:6])
    (after,) = sent[6]["identifiers"]
    assert after.startswith("anonymous_id:")
    assert after != before
    # Segment's SDK names who is logged in, whatever alias is told; so it is called after reset here.
    assert (sent[7]["identifiers"], sent[7]["previous"]) == (["user_id:u2", after], "u1")
    assert (sent[0]["event"], sent[0]["context"]["campaign"]) == ("Home", {"source": "news", "name": "spring"})
    assert (sent[1]["properties"], sent[4]["group_id"]) == ({"sku": "s1", "price": 19.99}, "acme")
    assert all(one["sent_at"] for one in sent)
    assert len(collector.platform.touchpoints) == 8
    assert not lines


@pytest.mark.parametrize("leave", ["another page", "closed"])
def test_a_batch_that_waits_is_delivered_when_the_page_ends(
    context: BrowserContext, site: Site, collector: Collector, leave: str
) -> None:
    page = opened(context, site, collector, f'{{integrations: {{"Segment.io": {BATCHING}}}}}')
    page.evaluate("analytics.ready()")
    page.evaluate("""async () => {
      await analytics.page("Home")
      await analytics.identify("u1")
      await analytics.track("Order Completed", { total: 41.97 })
    }""")
    assert not collector.platform.touchpoints
    if leave == "closed":
        page.close(run_before_unload=True)
    else:
        page.goto(f"{site.url}/other")
    assert [one["type"] for one in collector.sent(3)] == ["page", "identify", "track"]
    assert len(collector.platform.touchpoints) == 3


def test_a_full_batch_is_sent_at_once(context: BrowserContext, site: Site, collector: Collector) -> None:
    strategy = '{deliveryStrategy: {strategy: "batching", config: {size: 2, timeout: 60000}}}'
    page = opened(context, site, collector, f'{{integrations: {{"Segment.io": {strategy}}}}}')
    page.evaluate("async () => { for (const n of [1, 2, 3, 4]) await analytics.track(`Event ${n}`) }")
    assert collector.events(4) == ["Event 1", "Event 2", "Event 3", "Event 4"]


def test_an_event_that_cannot_be_kept_now_is_sent_again(
    context: BrowserContext, site: Site, collector: Collector
) -> None:
    page = opened(context, site, collector)
    page.evaluate("analytics.ready()")
    collector.platform.journal.full = True
    with page.expect_response(lambda response: response.status == 503):
        page.evaluate("analytics.track('Order Completed')")
    collector.platform.journal.full = False
    assert collector.events(1) == ["Order Completed"]


def test_settings_of_its_own_may_send_us_statistics(context: BrowserContext, site: Site, collector: Collector) -> None:
    own = f'{{"Segment.io": {{apiHost: "{collector.url.removeprefix("http://")}/v1", protocol: "http"}}}}'
    told = "(settings) => ({...settings, metrics: {sampleRate: 1, flushTimer: 50}})"
    page = opened(context, site, collector, f"{{updateCDNSettings: {told}, integrations: {own}}}")
    lines = said(page)
    with page.expect_response(f"{collector.url}/v1/m") as answer:
        page.evaluate("analytics.track('Order Completed')")
    assert answer.value.status == 204
    assert collector.events(1) == ["Order Completed"]
    assert not lines
