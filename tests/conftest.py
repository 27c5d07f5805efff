"""Shared fixtures; tests marked `browser` are skipped where there is no Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

_CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _CHROMIUM is None:
        skip = pytest.mark.skip(reason="no Chromium on this machine")
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium, for tests marked `browser`."""
    assert _CHROMIUM is not None, "mark the test with @pytest.mark.browser"
    return _CHROMIUM


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the repository."""
    return Path(__file__).resolve().parents[1]
