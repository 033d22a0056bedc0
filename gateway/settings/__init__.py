"""What the files of a configuration mean: read, merged, checked, every error with file and line.

Owns the language of DESIGN §6 but for the mapping's own part, which is `mapping.spec`. Opens nothing but those files.
"""

from gateway.settings.loading import Configuration, load
from gateway.settings.model import Settings
from gateway.settings.problems import Place, Problem, SettingsError

__all__ = ["Configuration", "Place", "Problem", "Settings", "SettingsError", "load"]
