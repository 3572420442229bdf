"""What the tracking API counts, by source and outcome. Names are stable: dashboards are built on them."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class IngestMetrics:
    """The metrics of one collector in one registry."""

    def __init__(self, registry: CollectorRegistry):
        self.registry = registry
        items = Counter(
            "rapport_ingest_items_total",
            "Items answered, by source and verdict",
            ["source", "verdict"],
            registry=registry,
        )
        requests = Counter(
            "rapport_ingest_requests_total", "Requests answered, by status", ["status"], registry=registry
        )
        self.seconds = Histogram(
            "rapport_ingest_seconds", "From the whole body to durable", buckets=_SECONDS, registry=registry
        )
        self.violations = Counter(
            "rapport_plan_violations_total",
            "Items that violate the tracking plan, by source and verdict: accepted with a flag, or rejected",
            ["source", "verdict"],
            registry=registry,
        )
        self._items, self._requests = items, requests
        self._known: dict[tuple[str, str], Counter] = {}
        self._statuses: dict[int, Counter] = {}

    def items(self, source: str, verdict: str, count: int) -> None:
        """Count items of one source."""
        if count:
            child = self._known.get((source, verdict))
            if child is None:
                child = self._known[source, verdict] = self._items.labels(source, verdict)
            child.inc(count)

    def request(self, status: int) -> None:
        """Count one answered request."""
        child = self._statuses.get(status)
        if child is None:
            child = self._statuses[status] = self._requests.labels(str(status))
        child.inc()
