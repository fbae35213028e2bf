"""Giving memory back that a large piece of work used and freed."""

import ctypes


def give_back() -> None:
    """Let the C library return what is free to the system (glibc; others do so by themselves, or cannot)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
