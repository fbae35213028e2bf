"""Fixtures of the servers are there for all tests; where CI is set, property tests try the same examples each time."""

import os
from collections import Counter

import pytest
from hypothesis import is_hypothesis_test, settings

pytest_plugins = ["tests.servers.fixtures"]

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

FEW = 20
"""Tests of a file, among which there may be long ones."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.hasplugin("_cov"):
        _count_without_property_tests(items)
    if hasattr(config, "workerinput"):
        _order_for_workers(items)


def _count_without_property_tests(items: list[pytest.Item]) -> None:
    """Under coverage, what they try over and over takes twice as long."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")


def _order_for_workers(items: list[pytest.Item]) -> None:
    """Begin with the files of few tests, where the long ones are, so that no worker is left with one of those at the
    end; then the largest come first.
    """
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (sizes[item.path] > FEW, -sizes[item.path]))
