"""Mailboxes from folders: tree, roles, rights (RFC 8621 §2), and which folder is which Mailbox."""

from dataclasses import replace

import pytest

from adapters.ports.mail import Folder, FolderStatus
from gateway.sync import folders, orders
from gateway.sync.mailboxes import Box, Mailboxes, build, rights_of

STATUS = FolderStatus(1, 10, 5, 0, 7)


def folder(path: str, **facts: object) -> Folder:
    plain = Folder(path, "/", None, None, True, True, False, None, None)
    return replace(plain, **facts)  # type: ignore[arg-type]


def mailboxes(*listed: Folder, prefix: str = "") -> Mailboxes:
    return build([Box(number, f"id-{one.path}", one, None) for number, one in enumerate(listed)], prefix)


def roles(*listed: Folder) -> dict[str, str | None]:
    return {one.path: one.role for one in mailboxes(*listed).values()}


def test_tree() -> None:
    found = mailboxes(folder("INBOX"), folder("a"), folder("a/b"), folder("x/y/z"), folder("INBOX/c"))
    assert found["id-a/b"].parent_id == "id-a"
    assert found["id-a/b"].name == "b"
    assert (found["id-x/y/z"].parent_id, found["id-x/y/z"].name) == (None, "x/y/z")
    assert (found["id-INBOX/c"].parent_id, found["id-INBOX/c"].name) == ("id-INBOX", "c")
    assert found["id-INBOX"].name == "Inbox"


def test_prefix_of_the_personal_namespace() -> None:
    found = mailboxes(
        folder("INBOX"), folder("INBOX.Sent", delimiter="."), folder("INBOX.Sent.2025", delimiter="."), prefix="INBOX."
    )
    assert found["id-INBOX.Sent"].parent_id is None
    assert found["id-INBOX.Sent"].role == "sent"
    assert found["id-INBOX.Sent.2025"].parent_id == "id-INBOX.Sent"


def test_no_two_siblings_of_one_name() -> None:
    """RFC 8621 §2."""
    listed = [
        folder("INBOX"),
        folder("INBOX.Inbox", delimiter="."),
        folder("INBOX.a", delimiter="."),
        folder("a"),
        folder("b//c"),
    ]
    found = mailboxes(*listed, prefix="INBOX.")
    places = {(one.parent_id, one.name) for one in found.values()}
    assert len(places) == len(listed)


def test_names_are_net_unicode() -> None:
    assert mailboxes(folder("Entwu\u0308rfe"))["id-Entwu\u0308rfe"].name == "Entw\u00fcrfe"  # RFC 5198 §3


def test_what_the_server_says_wins_and_roles_are_unique() -> None:
    assert roles(folder("Sent"), folder("Gesendet", role="sent")) == {"Sent": None, "Gesendet": "sent"}
    assert roles(folder("a", role="trash"), folder("b", role="trash")) == {"a": "trash", "b": None}
    assert roles(folder("x/Trash"), folder("Papierkorb"), folder("x")) == {
        "x/Trash": None,
        "Papierkorb": "trash",
        "x": None,
    }
    assert roles(folder("Sent Items"), folder("Sent")) == {"Sent Items": None, "Sent": "sent"}
    assert roles(folder("inbox"), folder("Other", role="inbox")) == {"inbox": "inbox", "Other": None}
    assert roles(folder("M", role="marked"), folder("Drafts", selectable=False)) == {"M": None, "Drafts": None}


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (None, set(rights_of(folder("a")))),
        ("lr", {"mayReadItems"}),
        ("l", set()),
        ("lrt", {"mayReadItems"}),
        ("lrte", {"mayReadItems", "mayRemoveItems"}),
        ("lrd", {"mayReadItems", "mayRemoveItems", "mayRename", "mayDelete"}),
        ("lrswi", {"mayReadItems", "maySetSeen", "maySetKeywords", "mayAddItems"}),
        ("k", {"mayCreateChild"}),
        ("p", {"maySubmit"}),
    ],
)  # fmt: skip
def test_rights(given: str | None, allowed: set[str]) -> None:
    rights = rights_of(folder("a", rights=None if given is None else frozenset(given)))
    assert {name for name, may in rights.items() if may} == allowed
    assert len(rights) == 9


def test_rights_of_special_folders() -> None:
    assert not rights_of(folder("INBOX"))["mayDelete"]
    container = rights_of(folder("a", selectable=False))
    assert not container["mayAddItems"]
    assert container["mayCreateChild"]
    assert not rights_of(folder("a", delimiter=None))["mayCreateChild"]


def test_the_inbox_of_another_owner() -> None:
    """The server says which it is: it lies beside the others, and what is only called so is none."""
    found = mailboxes(
        folder("shared/bob", role="inbox"), folder("shared/bob/inbox"), folder("shared/bob/a"), prefix="shared/bob/"
    )
    shown = {one.path: (one.name, one.parent_id, one.role) for one in found.values()}
    assert shown == {
        "shared/bob": ("Inbox", None, "inbox"),
        "shared/bob/inbox": ("inbox", None, None),
        "shared/bob/a": ("a", None, None),
    }
    rights = found["id-shared/bob"].rights
    assert {name for name, may in rights.items() if not may} == {"mayCreateChild", "mayRename", "mayDelete"}


# Matching


def box(number: int, path: str, native_id: str | None = None, cursor: FolderStatus | None = STATUS) -> Box:
    return Box(number, f"id-{number}", folder(path, native_id=native_id), cursor)


def matched(boxes: list[Box], listing: list[Folder]) -> dict[str, list[object]]:
    found = folders.match(boxes, listing)
    return {
        "same": [(one.path, at.number) for one, at in found.same],
        "doubtful": [(one.path, at.number) for one, at in found.doubtful],
        "created": [one.path for one in found.created],
        "gone": [at.number for at in found.gone],
    }


def test_native_ids_decide() -> None:
    boxes = [box(1, "a", "A"), box(2, "b", "B")]
    listing = [folder("b", native_id="A", status=STATUS), folder("c", native_id="C", status=STATUS)]
    assert matched(boxes, listing) == {"same": [("b", 1)], "doubtful": [], "created": ["c"], "gone": [2]}


def test_recreated_under_the_same_name() -> None:
    native = matched([box(1, "a", "A")], [folder("a", native_id="B", status=STATUS)])
    assert (native["created"], native["gone"]) == (["a"], [1])
    plain = matched([box(1, "a")], [folder("a", status=replace(STATUS, uid_validity=2))])
    assert plain["doubtful"] == [("a", 1)]


def test_a_folder_that_cannot_be_opened_stays_itself() -> None:
    assert matched([box(1, "a", "A")], [folder("a")])["same"] == [("a", 1)]


def test_renames_are_guessed_by_uid_validity() -> None:
    boxes = [box(1, "a"), box(2, "b", cursor=replace(STATUS, uid_validity=2))]
    found = matched(boxes, [folder("c", status=STATUS), folder("b", status=replace(STATUS, uid_validity=2))])
    assert found == {"same": [("b", 2)], "doubtful": [("c", 1)], "created": [], "gone": []}


def test_an_ambiguous_rename_is_told_by_the_last_name() -> None:
    boxes = [box(1, "old/x"), box(2, "old/y")]
    found = matched(boxes, [folder("new/y", status=STATUS), folder("new/x", status=STATUS)])
    assert found["doubtful"] == [("new/y", 2), ("new/x", 1)]
    found = matched(boxes, [folder("p", status=STATUS), folder("q", status=STATUS)])
    assert (found["created"], found["gone"]) == (["p", "q"], [1, 2])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (STATUS, False),
        (replace(STATUS, unseen=3), False),
        (replace(STATUS, highest_modseq=8), True),
        (replace(STATUS, uid_next=11), True),
        (replace(STATUS, messages=4), True),
        (replace(STATUS, uid_validity=2), True),
        (replace(STATUS, highest_modseq=0), True),
    ],
)
def test_when_a_folder_is_looked_into(status: FolderStatus, expected: bool) -> None:
    assert folders.moved(status, STATUS) is expected


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"b": "junk"}, {"b": "junk"}, "junk"),  # the server has kept it nowhere
        ({"b": "junk"}, {}, "junk"),
        ({"b": "junk"}, {"c": "junk"}, None),
        ({}, {"a": "sent"}, None),
        ({"a": "sent"}, {}, "junk"),
    ],
)
def test_a_role_that_was_given_here_yields_to_what_the_server_says_since(
    then: dict[str, str], now: dict[str, str], expected: str | None
) -> None:
    kept = {orders.role_key("a"): "junk", orders.served_key("a"): orders.served(then, "a", "junk")}
    assert orders.said_role(kept, now, "a") == expected
