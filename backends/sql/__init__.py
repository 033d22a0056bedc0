"""Legacy SQL databases by configuration only.

Owns statements, connections and what the dialects differ in. Leaves to others the meaning of fields (the mapping's) and
retry, timeout, breaker and locks (the guard's).
"""

from __future__ import annotations

from backends.kit.settings_errors import SettingsError
from backends.sql.backend import SqlBackend
from backends.sql.settings import EntitySettings, SqlSettings

__all__ = ["EntitySettings", "SettingsError", "SqlBackend", "SqlSettings"]
