"""PostgreSQL's parser as a library, loaded so that it also works inside PostgreSQL.

Both define functions of the same names; a server process whose own were taken for the library's would crash.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from types import ModuleType


@cache
def pglast() -> ModuleType:
    """The package, which finds its own functions first."""
    before = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL | getattr(os, "RTLD_DEEPBIND", 0))
    try:
        import pglast
        import pglast.parser
    finally:
        sys.setdlopenflags(before)
    found: ModuleType = pglast
    return found
