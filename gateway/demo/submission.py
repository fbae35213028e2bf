"""The demo's SMTP submission server: checks the password, delivers by LMTP to Dovecot, sends nothing elsewhere."""

import hmac
import logging
import smtplib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gateway.demo.dovecot import Dovecot
from gateway.demo.process import LOOPBACK, free_port
from gateway.demo.sample_mail import DOMAIN


class Delivery:
    """Handler that takes mail for the demo's own users only."""

    def __init__(self, dovecot: Dovecot) -> None:
        self.dovecot = dovecot

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope, sender: str, options: list[str]
    ) -> str:
        """Accept a sender who has logged in."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, recipient: str, _options: list[str]
    ) -> str:
        """Accept a recipient whom Dovecot knows."""
        name, _, domain = recipient.partition("@")
        if domain.lower() != DOMAIN or name.lower() not in self.dovecot.users:
            return "550 5.1.1 The demo delivers to its own users only"
        envelope.rcpt_tos.append(recipient)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the name is aiosmtpd's
        """Hand the message on; Dovecot is on this machine, so the short wait may block the thread."""
        try:
            with smtplib.LMTP(self.dovecot.host, self.dovecot.lmtp) as lmtp:
                lmtp.sendmail(envelope.mail_from or "", envelope.rcpt_tos, envelope.content or b"")
        except (smtplib.SMTPException, OSError):
            return "451 4.3.0 Delivery failed, try again later"
        return "250 2.0.0 Delivered"


@contextmanager
def running_submission(dovecot: Dovecot, users: Mapping[str, str]) -> Iterator[int]:
    """A submission server with the users (name to password) for as long as the context lasts; its port."""

    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        ok = isinstance(data, LoginPassword) and _matches(users, data.login, data.password)
        return AuthResult(success=ok, handled=False)

    # aiosmtpd warns at each login about an attribute of its own.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    port = free_port()
    controller = Controller(
        Delivery(dovecot),
        hostname=LOOPBACK,
        port=port,
        authenticator=authenticate,
        auth_require_tls=False,  # loopback
        decode_data=False,
        enable_SMTPUTF8=True,
    )
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def _matches(users: Mapping[str, str], login: bytes, password: bytes) -> bool:
    name = login.decode(errors="replace").partition("@")[0].lower()
    return name in users and hmac.compare_digest(users[name].encode(), password)
