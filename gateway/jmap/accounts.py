"""Which account a call works on, and whether it may (RFC 8620 §3.6.2)."""

from typing import Final

from gateway.jmap.context import CallAccount, CallContext
from gateway.jmap.errors import MethodError

_FROM: Final = {
    "accountNotFound": "fromAccountNotFound",
    "accountNotSupportedByMethod": "fromAccountNotSupportedByMethod",
}


def open_account(context: CallContext, account_id: str, capability: str, *, writes: bool) -> CallAccount:
    """The account of a call.

    Raises MethodError: accountNotFound, accountNotSupportedByMethod (it lacks the capability), accountReadOnly.
    """
    account = context.account(account_id)
    if capability not in account.capabilities:
        raise MethodError("accountNotSupportedByMethod")
    if writes and account.is_read_only:
        raise MethodError("accountReadOnly")
    return account


def open_source(context: CallContext, account_id: str, capability: str) -> CallAccount:
    """The account that a /copy reads from (RFC 8620 §5.4).

    Raises MethodError: fromAccountNotFound, fromAccountNotSupportedByMethod.
    """
    try:
        return open_account(context, account_id, capability, writes=False)
    except MethodError as error:
        raise MethodError(_FROM[error.type]) from None
