"""Messages for the tests, made where they are used."""

import base64
import itertools
from collections.abc import Mapping

_NUMBERS = itertools.count(1)


def message(
    subject: str = "Hello",
    *,
    sender: str = "Alice Example <alice@example.org>",
    to: str = "bob@example.org",
    message_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: str = "Hello Bob,\r\nsee you soon.\r\n",
    date: str = "Tue, 17 Nov 2026 09:00:00 +0100",
) -> bytes:
    """A plain message with CRLF line ends."""
    fields = {
        "From": sender,
        "To": to,
        "Subject": subject,
        "Date": date,
        "Message-ID": message_id or f"<{next(_NUMBERS)}@example.org>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{head}\r\n{body}".encode()


def with_attachment(subject: str = "With attachment", data: bytes = b"\x00\x01binary") -> bytes:
    """multipart/mixed of a text, its HTML alternative and an attachment."""
    encoded = base64.encodebytes(data).decode().replace("\n", "\r\n")
    body = (
        "--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
        "--inner\r\nContent-Type: text/plain\r\n\r\nplain version\r\n"
        "--inner\r\nContent-Type: text/html\r\n\r\n<p>html <b>version</b></p>\r\n--inner--\r\n"
        "--outer\r\nContent-Type: application/octet-stream; name=data.bin\r\n"
        "Content-Disposition: attachment; filename=data.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        f"{encoded}--outer--\r\n"
    )
    return message(subject, headers={"Content-Type": "multipart/mixed; boundary=outer"}, body=body)
