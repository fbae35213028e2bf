"""The response goes out: Postfix takes a message, Dovecot delivers it by LMTP, the reply comes back by Postfix."""

import asyncio
import email
import email.policy
import smtplib
from email.message import EmailMessage

from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.sieve.calls import create, set_vacation, vacation
from tests.objects.sieve.conftest import sieve_keys
from tests.servers.imap_client import imap_client
from tests.servers.postfix import Postfix
from tests.servers.users import User, fresh_user

FILES = b'require ["fileinto", "mailbox"];\r\nfileinto :create "Filed";\r\nstop;\r\n'


def send(postfix: Postfix, sender: User, recipient: User) -> None:
    message = EmailMessage()
    message["From"] = f"{sender.name}@{postfix.domain}"
    message["To"] = f"{recipient.name}@{postfix.domain}"
    message["Subject"] = "a question"
    message["Message-ID"] = f"<question-of-{sender.name}@{postfix.domain}>"
    message.set_content("Are you there?")
    with smtplib.SMTP(postfix.host, postfix.submission) as smtp:
        smtp.login(sender.name, sender.password)
        smtp.send_message(message)


def stored(postfix: Postfix, user: User, folder: str) -> list[EmailMessage]:
    """What lies in a folder now, straight from the mail server."""
    with imap_client(postfix.dovecot, user) as client:
        if folder not in client.mailboxes():
            return []
        found = []
        for uid in client.uids(folder):
            pair = client.uid("FETCH", str(uid), "(BODY.PEEK[])")[0]
            assert isinstance(pair, tuple)
            found.append(email.message_from_bytes(pair[1], _class=EmailMessage, policy=email.policy.default))
        return found


async def arrived(postfix: Postfix, user: User, folder: str, count: int) -> list[EmailMessage]:
    """What lies in a folder once so many messages do."""
    async with asyncio.timeout(30):
        while len(found := stored(postfix, user, folder)) < count:  # noqa: ASYNC110 - Postfix announces nothing
            await asyncio.sleep(0.1)
        return found


async def test_mail_is_answered_within_the_period_and_filed_as_before(postfix: Postfix) -> None:
    away, early, asker = (fresh_user(postfix.dovecot) for _ in range(3))
    keys = sieve_keys(postfix.dovecot.managesieve)
    async with running_gateway(postfix.dovecot, **keys) as url, jmap_client(url, away.name, away.password) as jmap:
        await create(jmap, "files", FILES, onSuccessActivateScript="#a")
        body = 'I am away.\r\n.\r\n"quoted" \\ ü ${x}\r\n'
        await set_vacation(jmap, isEnabled=True, subject="Away: ü", textBody=body, toDate="2020-01-01T00:00:00Z")
        send(postfix, early, away)
        await arrived(postfix, away, "Filed", 1)
        values = {"fromDate": "2020-01-01T00:00:00Z", "toDate": "2099-01-01T00:00:00Z"}
        await set_vacation(jmap, htmlBody="<p>Away <b>now</b></p>", **values)
        assert (await vacation(jmap))["isEnabled"] is True
        send(postfix, asker, away)
        (reply,) = await arrived(postfix, asker, "INBOX", 1)
        assert reply["Subject"] == "Away: ü"
        assert reply["Auto-Submitted"].startswith("auto-replied")
        assert reply["In-Reply-To"] == f"<question-of-{asker.name}@{postfix.domain}>"
        text, html = reply.get_body(("plain",)), reply.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().replace("\r\n", "\n") == body.replace("\r\n", "\n")
        assert html.get_content().strip() == "<p>Away <b>now</b></p>"
        await arrived(postfix, away, "Filed", 2)
        assert stored(postfix, early, "INBOX") == []  # after the period
        await set_vacation(jmap, isEnabled=False)
        send(postfix, early, away)
        send(postfix, away, early)
        await arrived(postfix, away, "Filed", 3)
        (only,) = await arrived(postfix, early, "INBOX", 1)
        assert only["Subject"] == "a question"
