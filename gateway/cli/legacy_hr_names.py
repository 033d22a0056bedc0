"""The names from which the demo's employees are put together: invented people, in the scripts real ones are written in.

Each list pairs the spelling on the payslip with its upper-case Latin form, from which the old system made logins.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple


class Name(NamedTuple):
    """A name as its bearer writes it, and as a seven-bit terminal once did."""

    written: str
    latin: str

    @property
    def script(self) -> str:
        """The script it is written in, as Unicode names it: LATIN, GREEK, CYRILLIC, CJK …"""
        return unicodedata.name(self.written[0]).partition(" ")[0]


def _names(text: str) -> tuple[Name, ...]:
    pairs = (entry.partition("=") for entry in text.split())
    return tuple(Name(written.replace("_", " "), latin or written.upper()) for written, _, latin in pairs)


GIVEN = _names("""
    Ada Amélie=AMELIE Åsa=ASA Björn=BJOERN Anaïs=ANAIS Agnieszka Ahmet Aiko Amara Anders Anneliese Anton Beatriz
    Benedikt Bogdan Brendan Brigitte Bruno Calum Camila Catarina Çağla=CAGLA Chiara Chloé=CHLOE Ciarán=CIARAN Clara
    Dafydd Dagmar Daan Daria David Deirdre Dmitri Dušan=DUSAN Ebba Eero Eilidh Elif Elżbieta=ELZBIETA Emil Émile=EMILE
    Esperanza Eva Fabian Fatima Femke Ferenc Filip Fiona Florian Françoise=FRANCOISE Gábor=GABOR Gaël=GAEL Georgi
    Gonçalo=GONCALO Grace Gro Gunnar Halina Hamza Hannah Heidi Hélène=HELENE Henrik Hiroshi Ibrahim Ilse Imani
    Inés=INES Ingrid Isabel István=ISTVAN Ivana Jakub Jan-Willem=JANWILLEM Jasmin Jesús=JESUS Jiří=JIRI Joana
    João=JOAO Jörg=JOERG Josephine Jürgen=JUERGEN Juha Karin Katarzyna Kenji Kerstin Kofi Krzysztof Lærke=LAERKE Lars
    Leïla=LEILA Liam Linnea Lotte Łucja=LUCJA Łukasz=LUKASZ Luís=LUIS Maëlle=MAELLE Magnus Maja Małgorzata=MALGORZATA
    Manon Marek Marie-Claire=MARIECLAIRE Matteo Mei Mihai Milan Miriam Nadia Naoko Nia Niamh Nikolaj Noémie=NOEMIE
    Núria=NURIA Oisín=OISIN Oliver Ömer=OEMER Oskar Paolo Paweł=PAWEL Petra Piotr Priya Rafał=RAFAL Ragnhild Rania
    René=RENE Róisín=ROISIN Rosa Rui Ruth Sabine Sander Séamus=SEAMUS Şebnem=SEBNEM Siân=SIAN Sigrid Silvia Sofia
    Søren=SOEREN Stefan Stéphane=STEPHANE Sunniva Sven Tadeusz Tamás=TAMAS Teresa Thandiwe Théo=THEO Tomáš=TOMAS Tove
    Ulrike Ümit=UEMIT Ursula Valentina Vasile Vera Viktor Wanda Wiebke Willem Xavier Yasmin Yusuf Željko=ZELJKO
    Zoë=ZOE Zsófia=ZSOFIA Ελένη=ELENI Γιώργος=GIORGOS Иван=IVAN Ольга=OLGA Светлана=SVETLANA 伟=WEI 芳=FANG
    桜=SAKURA 민준=MINJUN نور=NUR
""")

FAMILY = _names("""
    Abernathy Åkerström=AKERSTROEM Almeida Andersson Antúnez=ANTUNEZ Bąk=BAK Bauer Beaumont Bergström=BERGSTROEM
    Bielińska=BIELINSKA Bjørnstad=BJOERNSTAD Blažek=BLAZEK Brânză=BRANZA Brook-Taylor=BROOKTAYLOR Çelik=CELIK
    Castaño=CASTANO Costa Czerny D'Angelo=DANGELO D'Souza=DSOUZA Dąbrowska=DABROWSKA de_Vries=DEVRIES del_Río=DELRIO
    Doğan=DOGAN Dubois Ekström=EKSTROEM Eriksen Esterházy=ESTERHAZY Fàbregas=FABREGAS Fernández=FERNANDEZ Fischer
    Fitzgerald Fournier García-Núñez=GARCIANUNEZ Gärtner=GAERTNER Gómez=GOMEZ Großmann=GROSSMANN Gündoğdu=GUENDOGDU
    Haddad Hansen Hernández=HERNANDEZ Hofstätter=HOFSTAETTER Horváth=HORVATH Ibáñez=IBANEZ Iliescu
    Jørgensen=JOERGENSEN Jóhannsdóttir=JOHANNSDOTTIR Kamau Kaźmierczak=KAZMIERCZAK Kowalczyk Krüger=KRUEGER
    Kučera=KUCERA Lefèvre=LEFEVRE Lemaître=LEMAITRE Lindqvist Łoś=LOS MacDonald Malý=MALY Márquez=MARQUEZ
    Meier-Schulz=MEIERSCHULZ Mertens Mészáros=MESZAROS Møller=MOELLER Moreau Muñoz=MUNOZ N'Diaye=NDIAYE Nagy Nakamura
    Ní_Bhriain=NIBHRIAIN Novák=NOVAK Nowak O'Brien=OBRIEN O'Malley=OMALLEY O'Sullivan=OSULLIVAN Øverland=OEVERLAND
    Okafor Öztürk=OEZTUERK Pálsson=PALSSON Papadaki Peña=PENA Pereira Petrović=PETROVIC Prévost=PREVOST Quirós=QUIROS
    Rasmussen Rossi Roux Šimek=SIMEK Saint-Clair=SAINTCLAIR Sánchez=SANCHEZ Schäfer=SCHAEFER Schröder=SCHROEDER
    Şahin=SAHIN Silva Škoda=SKODA Sobczyk Sørensen=SOERENSEN Steiner Strömberg=STROEMBERG Sundström=SUNDSTROEM
    Szabó=SZABO Takahashi Thériault=THERIAULT Tóth=TOTH Tremblay Ünal=UENAL Vašíček=VASICEK van_den_Berg=VANDENBERG
    van_'t_Hof=VANTHOF von_Bülow=VONBUELOW Virtanen Wąsik=WASIK Weiß=WEISS Wójcik=WOJCIK Yıldız=YILDIZ Zając=ZAJAC
    Želić=ZELIC Zieliński=ZIELINSKI Παπαδοπούλου=PAPADOPOULOU Смирнов=SMIRNOV Кузнецова=KUZNETSOVA 王=WANG 李=LI
    田中=TANAKA 김=KIM حداد=HADDAD
""")

DEPARTMENTS = (
    ("ACC", "Accounting", "Finance"),
    ("AUD", "Internal Audit", "Finance"),
    ("BOARD", "Executive Board", "Board"),
    ("CONTR", "Controlling", "Finance"),
    ("CS", "Customer Service", "Sales"),
    ("FAC", "Facilities & Site Security", "Operations"),
    ("HR", "Human Resources", "Board"),
    ("IT", "Information Technology", "Operations"),
    ("LEGAL", "Legal & Compliance", "Board"),
    ("LOG", "Logistics", "Operations"),
    ("MKT", "Marketing", "Sales"),
    ("PROC", "Procurement", "Operations"),
    ("PROD", "Production", "Operations"),
    ("QA", "Quality Assurance", "Operations"),
    ("RD", "Research & Development", "Technology"),
    ("SALES", "Field Sales", "Sales"),
    ("TRAV", "Business Travel", "Board"),
    ("WH", "Warehouse", "Operations"),
)
"""Code, name and division; the old system pads the code to six characters wherever it stores one."""

TITLES = (
    "Accountant", "Analyst", "Buyer", "Clerk", "Consultant", "Controller", "Developer", "Driver", "Electrician",
    "Engineer", "Fitter", "Foreman", "Forklift Operator", "Inspector", "Laboratory Assistant", "Lawyer", "Machinist",
    "Office Manager", "Planner", "Programmer", "Receptionist", "Sales Representative", "Scientist", "Secretary",
    "Storekeeper", "Technician",
)  # fmt: skip

OFFICES = (
    ("Hafenstraße 12", "Hamburg", "HH", "20457", "DE"),
    ("1 O'Connell Street", "Dublin", "Leinster", "D01 0000", "IE"),
    ("ul. Długa 46", "Gdańsk", "pomorskie", "80-831", "PL"),
    ("27, rue de la Liberté", "Nîmes", "Occitanie", "30000", "FR"),
    ("Rua da Prata 80", "Lisboa", "Lisboa", "1100-420", "PT"),
    ("Náměstí Míru 9", "Plzeň", "Plzeňský kraj", "301 00", "CZ"),
    ("Storgata 3", "Tromsø", "Troms", "9008", "NO"),
    ("350 Harbor Avenue\nBuilding C", "Portland", "OR", "97209", "US"),
)
"""Street, city, region, postal code and country."""

LANGUAGES = {
    "DE": "de-DE",
    "IE": "en-IE",
    "PL": "pl-PL",
    "FR": "fr-FR",
    "PT": "pt-PT",
    "CZ": "cs-CZ",
    "NO": "nb-NO",
    "US": "en-US",
}

TEAMS = (
    "All Staff", "Archive", "Board", "Bowling League", "Car Pool", "Data Protection", "Direktørgruppe", "Dispatchers",
    "ERP Key Users", "ERP Administrators", "Fahrbereitschaft", "Fire Wardens", "First Aid", "Forklift Licences",
    "Hamburg Site", "Dublin Site", "Gdańsk Site", "Nîmes Site", "Lisboa Site", "Plzeň Site", "Tromsø Site",
    "Portland Site", "Help Desk", "Intranet Editors", "Invoice Approval (< 5,000 €)", "Invoice Approval (≥ 5,000 €)",
    "Laboratory Access", "Night Shift", "O'Connell Street Keys", "Payroll", 'Price List "A"',
    "Project 100% Paperless", "Project_X", "Quality Circle", "Recruiting", "Remote Access", "Tender Committee",
    "Trainees", "Works Council", "Year 2000 Task Force",
)  # fmt: skip
"""Forty titles, among them the characters that break careless queries: apostrophe, quote, per cent, underscore."""
