"""Counters and gauges for the operator, without labels for member, marking or object.

A label with a member's name would tell whoever reads the metrics who shares how much with whom; what stays is how
much and how it went. Each process has one ``Metrics`` with its own registry; it is served only where asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

FORBIDDEN_LABELS: Final = frozenset({"member", "issuer", "marking", "tlp", "object", "recipient", "group", "officer"})
Stop = Callable[[], None]


class Metrics:
    """The figures of one process; a name is made at its first use and is then the same everywhere."""

    def __init__(self, prefix: str) -> None:
        self.registry = CollectorRegistry()
        self._prefix = prefix
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}

    def count(self, name: str, amount: float = 1, *, reason: str = "") -> None:
        """Add to the counter ``<prefix>_<name>_total``; ``reason`` is one of a closed list, as an error code."""
        if name not in self._counters:
            self._counters[name] = Counter(f"{self._prefix}_{name}", name, ["reason"], registry=self.registry)
        self._counters[name].labels(reason=reason).inc(amount)

    def set(self, name: str, value: float) -> None:
        """Set the gauge ``<prefix>_<name>``."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(f"{self._prefix}_{name}", name, registry=self.registry)
        self._gauges[name].set(value)

    def value(self, name: str, *, reason: str | None = None) -> float:
        """What a counter or gauge says now; 0 where nothing was counted."""
        if reason is not None:
            found = self.registry.get_sample_value(f"{self._prefix}_{name}_total", {"reason": reason})
        else:
            found = self.registry.get_sample_value(f"{self._prefix}_{name}")
        return found or 0.0

    def serve(self, *, host: str, port: int) -> Stop:
        """Answer Prometheus on ``host:port`` from a thread of its own until the returned function is called."""
        server, thread = start_http_server(port, addr=host, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop
