"""Which Mailbox has which role (RFC 8621 §2): what the server says, else a table of names people use."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from adapters.ports.mail import Folder

NAMES: Mapping[str, tuple[str, ...]] = {
    "drafts": (
        "drafts", "draft", "entwürfe", "brouillons", "borradores", "bozze", "concepten", "rascunhos", "utkast",
        "kladder", "luonnokset", "koncepty", "rozpracované", "szkice", "wersje robocze", "черновики", "чернетки",
        "piszkozatok", "taslaklar", "下書き", "草稿", "草稿箱", "임시보관함",
    ),
    "sent": (
        "sent", "sent items", "sent mail", "sent messages", "sent-mail", "gesendet", "gesendete elemente",
        "gesendete objekte", "gesendete nachrichten", "envoyés", "éléments envoyés", "messages envoyés", "enviados",
        "elementos enviados", "itens enviados", "inviata", "posta inviata", "inviati", "verzonden",
        "verzonden items", "skickat", "skickade", "sendt", "sendte elementer", "lähetetyt", "odeslané",
        "odeslaná pošta", "wysłane","elementy wysłane", "отправленные", "надіслані",
        "elküldött elemek", "gönderilmiş öğeler",
        "送信済み", "已发送", "寄件備份", "보낸편지함",
    ),
    "trash": (
        "trash", "deleted items", "deleted messages", "deleted", "bin", "papierkorb", "gelöscht",
        "gelöschte elemente", "gelöschte objekte", "corbeille", "éléments supprimés", "papelera",
        "elementos eliminados", "cestino", "posta eliminata", "prullenbak", "verwijderde items", "lixeira",
        "itens excluídos", "papperskorg", "papirkurv", "slettede elementer", "roskakori", "koš", "kosz",
        "elementy usunięte", "корзина", "кошик", "удаленные", "kuka", "törölt elemek", "çöp kutusu", "ゴミ箱",
        "已删除", "垃圾桶", "휴지통",
    ),
    "junk": (
        "junk", "junk e-mail", "junk email", "junk mail", "spam", "bulk mail", "spamverdacht", "unerwünscht",
        "courrier indésirable", "indésirables", "pourriel", "correo no deseado", "no deseado",
        "posta indesiderata", "ongewenste e-mail", "lixo eletrônico", "skräppost", "uønsket", "søppelpost",
        "roskaposti", "nevyžádaná pošta", "wiadomości-śmieci", "спам", "нежелательная почта", "levélszemét",
        "önemsiz e-posta", "迷惑メール", "垃圾邮件", "垃圾郵件", "스팸",
    ),
    "archive": (
        "archive", "archives", "archiv", "archivo", "archivio", "archief", "arquivo", "arkiv", "arkisto",
        "archiwum", "архив", "архів", "アーカイブ", "归档", "封存",
    ),
}  # fmt: skip

SORT_ORDERS: Mapping[str | None, int] = {
    "inbox": 1, "drafts": 2, "sent": 3, "archive": 4, "junk": 5, "trash": 6, None: 10,
}  # fmt: skip

# IANA "IMAP Mailbox Name Attributes" that say what a mailbox is for, in lower case (RFC 8621 §2)
KNOWN = frozenset(
    ("all", "archive", "drafts", "flagged", "important", "inbox", "junk", "memos", "scheduled", "sent", "snoozed",
     "subscribed", "trash")
)  # fmt: skip

_BY_NAME = {name: (role, rank) for role, names in NAMES.items() for rank, name in enumerate(names)}


def is_inbox(folder: Folder) -> bool:
    """RFC 9051 §5.1: the name INBOX is special in any case; another owner's has another name, and the server says so.

    A folder of his that is called so is none.
    """
    return names_inbox(folder.path) or folder.role == "inbox"


def names_inbox(path: str) -> bool:
    """Whether a full name is that of the login's own inbox."""
    return path.upper() == "INBOX"


def assign(
    folders: Iterable[tuple[Folder, str, int]], said: Mapping[str, int | str] = MappingProxyType({})
) -> dict[str, str]:
    """Path to role for the folders that have one; every role is given once (RFC 8621 §2).

    folders: (folder, last segment of the name, depth). said: by path, what clients said ("" for no role), which wins
    over all but the inbox. What the server says wins over names; among names the shallowest folder, then the more
    usual name, then the path decides.
    """
    roles = {path: str(role) for path, role in said.items() if role and not names_inbox(path)}
    taken = set(roles.values())
    rest: list[tuple[int, int, str, str]] = []
    for folder, name, depth in sorted(folders, key=lambda one: (not names_inbox(one[0].path), one[2], one[0].path)):
        if names_inbox(folder.path):
            roles[folder.path] = "inbox"
            taken.add("inbox")
        elif folder.path in said:
            continue
        elif folder.role in KNOWN:
            if folder.role not in taken:
                roles[folder.path] = folder.role
                taken.add(folder.role)
        elif folder.selectable and name.casefold() in _BY_NAME:
            role, rank = _BY_NAME[name.casefold()]
            rest.append((depth, rank, folder.path, role))
    for _, _, path, role in sorted(rest):
        if role not in taken:
            roles[path] = role
            taken.add(role)
    return roles
