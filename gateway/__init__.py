"""The SCIM gateway: the server and the protocol; names no concrete backend."""

__version__ = "0.1.0"
