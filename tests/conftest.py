"""Fixtures of the servers are there for all tests."""

pytest_plugins = ["tests.servers.fixtures"]
