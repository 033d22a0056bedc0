"""SOAP services as entities: operations of a WSDL become the methods of the contract, by configuration alone."""

from __future__ import annotations

from backends.kit.settings_errors import SettingsError as SettingsError
from backends.soap.backend import SoapBackend as SoapBackend
from backends.soap.settings import SoapSettings as SoapSettings
