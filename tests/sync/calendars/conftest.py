"""What a glance leaves to be read is read at once, not while another test runs."""

import pytest

from gateway.sync.calendars import account


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "REST_SECONDS", 0.0)
