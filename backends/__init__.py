"""Backends: plugins that speak to legacy systems; nothing here knows of SCIM or imports the gateway."""
