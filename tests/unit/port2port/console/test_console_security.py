"""Headers, host, origin, forms."""

from __future__ import annotations

from tests.fakes.console import app, client, form_token


def test_a_page_is_written() -> None:
    response = client(app()).get("/")
    assert response.status_code == 200
    assert "Drone over the dock" in response.text
    assert form_token(response.text)
