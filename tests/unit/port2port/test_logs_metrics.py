"""Logs are JSON of constant events and fields; figures name nobody."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import orjson
import pytest

from port2port import logs
from port2port.metrics import Metrics


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.start(stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_a_record_is_one_line_with_its_fields(output: io.StringIO) -> None:
    logging.getLogger("a.b").info("checkpoint verified", extra={"size": 7, "root": b"\x01\xff", "far": 2**70})
    line = orjson.loads(output.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("checkpoint verified", "info", "a.b")
    assert (line["size"], line["root"], line["far"]) == (7, "01ff", str(2**70))


def test_an_exception_is_in_the_line_and_strange_text_breaks_nothing(output: io.StringIO) -> None:
    try:
        int("cause")
    except ValueError:
        logging.getLogger("x").exception("failed", extra={"text": "\ud800" + "y" * 900})
    line = orjson.loads(output.getvalue())
    assert "ValueError: invalid literal" in line["exception"]
    assert len(line["text"]) <= 500


def test_figures_are_counted_set_and_served() -> None:
    metrics = Metrics("test")
    metrics.count("refused", reason="POLICY")
    metrics.count("refused", 2, reason="POLICY")
    metrics.set("connected", 1)
    assert metrics.value("refused", reason="POLICY") == 3
    assert metrics.value("connected") == 1
    assert metrics.value("never") == 0
    stop = metrics.serve(host="127.0.0.1", port=0)
    stop()


def test_no_figure_has_a_label_that_names_anybody() -> None:
    metrics = Metrics("test")
    metrics.count("refused", reason="POLICY")
    labels = {name for family in metrics.registry.collect() for sample in family.samples for name in sample.labels}
    assert labels == {"reason"}
