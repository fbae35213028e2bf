"""Thread (RFC 8621 §3)."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.checks import array_of, id_
from gateway.jmap.datatype import Changeable, Changes, Fetched, Gettable
from gateway.jmap.errors import MethodError
from gateway.jmap.properties import ID, Property, PropertyTable
from gateway.objects.changes import changes_of
from gateway.objects.mail.capability import MAIL, mail_of
from gateway.sync.account import MailAccount

PROPERTIES: Final = PropertyTable([ID, Property("emailIds", array_of(id_), server_set=True)])


class ThreadType(Gettable, Changeable):
    """The hooks of the standard methods for Thread."""

    name = "Thread"
    capability = MAIL
    methods = ("get", "changes")
    properties = PROPERTIES

    async def state(self, context: Context, account: Account) -> str:
        """The state of all Threads; waits until the thread index is complete."""
        mail = await mail_of(context, account)
        await mail.threads.ready()
        return mail.state("Thread")

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """Thread/get (RFC 8621 §3.1): the Emails oldest first."""
        mail = await mail_of(context, account)
        await mail.threads.ready()
        found, not_found = [], []
        for thread_id in _all_ids(mail, context.limits.max_objects_in_get) if ids is None else ids:
            rows = await mail.threads.members(thread_id)
            if rows:
                thread = {"id": thread_id, "emailIds": mail.emails.ids(rows)}
                found.append({name: thread[name] for name in properties})
            else:
                not_found.append(thread_id)
        return Fetched(found, not_found)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """Thread/changes (RFC 8621 §3.2)."""
        mail = await mail_of(context, account)
        await mail.threads.ready()
        return changes_of(mail, "Thread", since_state, max_changes)


def _all_ids(mail: MailAccount, most: int) -> list[str]:
    numbers = {number for row in mail.emails.all_rows() if (number := mail.threads.thread_of(row)) is not None}
    if len(numbers) > most:
        raise MethodError("requestTooLarge")  # RFC 8620 §5.1
    return [mail.threads.id(number) for number in sorted(numbers)]
