"""EmailPush (draft-ietf-jmap-emailpush-03): which new Emails a push subscription is told of, and what of them."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap import filters
from gateway.jmap.checks import array_of, id_, map_of, nullable, object_, one_of, record, string
from gateway.jmap.datatype import Query
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.fragments import plain
from gateway.jmap.properties import Property
from gateway.objects.mail.email import EmailType
from gateway.sync.account import MailAccount
from gateway.sync.ledger import Record

EMAIL_PUSH: Final = "urn:ietf:params:jmap:emailpush"

MOST_PROPERTIES: Final = 100
MOST_EMAILS: Final = 50
"""Emails of one notification, the newest: a user who was away is not helped by more."""

_EMAIL: Final = EmailType()
_NOT_DELIVERED: Final = frozenset({"drafts", "sent"})
"""Roles of Mailboxes whose Emails the user made himself."""

_CONFIG: Final = record(
    {
        "filter": nullable(object_),
        "properties": array_of(string),
        "urgency": one_of("very-low", "low", "normal", "high"),  # RFC 8030 §5.3
    },
    frozenset({"properties"}),
)


class EmailPushExtension:
    """The property emailPush of PushSubscription (§4); see `core.push_subscription.Extension`."""

    property = Property("emailPush", nullable(map_of(id_, _CONFIG)), default=None, capability=EMAIL_PUSH)

    def check(self, context: Context, value: Mapping[str, Record]) -> None:
        """Raises SetError where an account has no such push, or Email/query or Email/get would refuse."""
        conditions = filters.in_use(_EMAIL.filter_conditions, _EMAIL.extra_conditions, context.using)
        for account_id, config in value.items():
            account = context.login.accounts.get(account_id)
            if account is None or EMAIL_PUSH not in account.capabilities:
                raise _refusal(f"{account_id} is no account with this capability")
            if len(config["properties"]) > MOST_PROPERTIES:
                raise _refusal(f"more than {MOST_PROPERTIES} properties")
            try:
                filters.check_filter(config.get("filter"), conditions)
                _EMAIL.properties.select(config["properties"], context.using)
            except MethodError as error:
                raise _refusal(error.description) from None


async def new_emails(context: Context, account: Account, config: Record, since: str) -> tuple[list[Record], str]:
    """The Emails that arrived since a state of Email and pass the filter, oldest first, and the state as of now.

    Each has the properties that the config names, in its order. What happened since a state that is not known any
    more can't be told. Raises MethodError, adapters.errors.
    """
    try:
        changes = await _EMAIL.changes(context, account, since, None)
    except MethodError:
        return [], await _EMAIL.state(context, account)
    created = list(changes.created)
    mail = account.mail
    if not created or mail is None:
        return [], changes.new_state
    query = Query(_delivered(mail, config.get("filter")), (), {"collapseThreads": False})
    result = await _EMAIL.query(context, account, query)
    ids = [email_id for email_id in created if result.position(email_id) is not None][:MOST_EMAILS]
    names = tuple(dict.fromkeys(config["properties"]))
    arguments = {argument.name: argument.default for argument in _EMAIL.get_arguments}
    fetched = await _EMAIL.get(context, account, ids[::-1], tuple(dict.fromkeys(("id", *names))), arguments)
    found = map(plain, fetched.list)
    return [{name: email[name] for name in names if name in email} for email in found], changes.new_state


def _delivered(mail: MailAccount, wanted: Any) -> filters.Filter:
    """The filter, for what was delivered: neither drafts nor what the user sent."""
    own = [box.id for box in mail.mailboxes.values() if box.role in _NOT_DELIVERED]
    conditions = [{"notKeyword": "$draft"}, {"inMailboxOtherThan": own}, *([] if wanted is None else [wanted])]
    return {"operator": "AND", "conditions": conditions}


def _refusal(description: str | None) -> SetError:
    return SetError("invalidProperties", description, ["emailPush"])
