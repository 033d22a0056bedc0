"""Records that live with the gateway: a backend over the gateway's own store, for what no system behind has a place for
(DESIGN §6).

To the engine it is a backend like any other. It runs on the database of the id map, and stands and falls with it.
"""

from gateway.residence.backend import ResidentBackend
from gateway.residence.entities import EntitySettings, FieldSettings, ResidenceSettings

__all__ = ["EntitySettings", "FieldSettings", "ResidenceSettings", "ResidentBackend"]
