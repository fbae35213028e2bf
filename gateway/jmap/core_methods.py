"""The methods of the core capability that need no account (RFC 8620 §4)."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.jmap.capabilities import CORE
from gateway.jmap.methods import Answer, Method


async def echo(context: Any, account: None, arguments: Mapping[str, Any]) -> Answer:  # noqa: ARG001 - a Handler
    """Core/echo: the same arguments as given."""
    return Answer(dict(arguments))


CORE_METHODS: Final = (Method("Core/echo", CORE, (), echo, needs_account=False, takes_anything=True),)
