"""Schemas every reader of WSDLs knows by their namespaces, as much of them as messages need; none is ever fetched."""

from __future__ import annotations

from collections.abc import Mapping

ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
_SIMPLE = (
    "string",
    "boolean",
    "int",
    "integer",
    "long",
    "short",
    "decimal",
    "float",
    "double",
    "date",
    "dateTime",
    "time",
    "base64Binary",
    "anyURI",
    "QName",
)
_ENCODED = "".join(
    f'<xs:complexType name="{name}"><xs:simpleContent><xs:extension base="xs:{name}">'
    '<xs:attributeGroup ref="tns:commonAttributes"/></xs:extension></xs:simpleContent></xs:complexType>'
    f'<xs:element name="{name}" type="tns:{name}"/>'
    for name in _SIMPLE
)
_SOAP_ENCODING = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="{ENCODING}"
    targetNamespace="{ENCODING}">
  <xs:attribute name="root" type="xs:boolean"/>
  <xs:attribute name="arrayType" type="xs:string"/>
  <xs:attribute name="offset" type="xs:string"/>
  <xs:attribute name="position" type="xs:string"/>
  <xs:attributeGroup name="commonAttributes">
    <xs:attribute name="id" type="xs:ID"/><xs:attribute name="href" type="xs:anyURI"/>
    <xs:anyAttribute namespace="##other" processContents="lax"/>
  </xs:attributeGroup>
  <xs:attributeGroup name="arrayAttributes">
    <xs:attribute ref="tns:arrayType"/><xs:attribute ref="tns:offset"/>
  </xs:attributeGroup>
  <xs:group name="Array"><xs:sequence>
    <xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>
  </xs:sequence></xs:group>
  <xs:complexType name="Array">
    <xs:group ref="tns:Array" minOccurs="0"/>
    <xs:attributeGroup ref="tns:arrayAttributes"/><xs:attributeGroup ref="tns:commonAttributes"/>
  </xs:complexType>
  <xs:element name="Array" type="tns:Array"/>
  <xs:simpleType name="base64"><xs:restriction base="xs:base64Binary"/></xs:simpleType>
  {_ENCODED}
</xs:schema>"""
_XML = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
    targetNamespace="http://www.w3.org/XML/1998/namespace">
  <xs:attribute name="lang" type="xs:string"/><xs:attribute name="space" type="xs:string"/>
  <xs:attribute name="base" type="xs:anyURI"/><xs:attribute name="id" type="xs:ID"/>
</xs:schema>"""

KNOWN: Mapping[str, bytes] = {
    ENCODING: _SOAP_ENCODING.encode(),
    ENCODING.rstrip("/"): _SOAP_ENCODING.encode(),
    "http://www.w3.org/2001/xml.xsd": _XML.encode(),
    "http://www.w3.org/2001/03/xml.xsd": _XML.encode(),
}
