"""Stands where PL/Python's own module stands, so that the faces of SQL functions can be imported without a server.

`functions.X.name.__wrapped__` is a face that takes a connection; nothing here can be called.
"""

from __future__ import annotations


class Error(Exception):
    """As in PL/Python."""


class SPIError(Error):
    """As in PL/Python."""
