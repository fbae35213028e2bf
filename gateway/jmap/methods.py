"""What a method is: a name under a capability, declared arguments, a handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.jmap.arguments import Argument


@dataclass(frozen=True, slots=True)
class ExtraCall:
    """A call that a method makes on its own behalf after its response, such as the /set of onSuccessDestroyOriginal.

    Its responses follow with the same method call id (RFC 8620 §3.2). told: hears the first one, its name and
    arguments, and doesn't fail.
    """

    name: str
    arguments: dict[str, Any]
    told: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The arguments of a method's response, and the calls to make right after it."""

    arguments: dict[str, Any]
    then: tuple[ExtraCall, ...] = field(default=())


# (context, account, bound arguments) -> Answer. The core passes the context and the account through unseen, so a
# handler names the types it knows; the account is None for a method that takes none. Raises MethodError.
Handler = Callable[[Any, Any, Mapping[str, Any]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    capability: the URN that a client must be `using`, and that the account must have.
    arguments: all of them but accountId, which a method that needs an account has without saying so.
    takes_anything: the arguments are not checked at all (Core/echo).
    """

    name: str
    capability: str
    arguments: tuple[Argument, ...]
    handler: Handler
    needs_account: bool = True
    writes: bool = False
    takes_anything: bool = False
