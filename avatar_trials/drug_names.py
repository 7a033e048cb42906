"""Drugs by several names: development codes and the names they got later. Combinations and doses are other drugs.

Of the pairs, BYL719 with alpelisib and INC280 with capmatinib were read in Novartis' annual report of 2017, LDK378 with
ceritinib in a press release of 2014; all others are recalled, from labels and papers. A name that is not here is a drug
of its own.
"""

from __future__ import annotations

SYNONYMS = (
    ("5FU", "5-FU", "fluorouracil", "5-fluorouracil"),
    ("abraxane", "nab-paclitaxel"),
    ("AZD9291", "osimertinib"),
    ("BGJ398", "infigratinib"),
    ("BKM120", "buparlisib"),
    ("BYL719", "alpelisib"),
    ("encorafenib", "LGX818"),
    ("binimetinib", "MEK162"),
    ("HDM201", "siremadlin"),
    ("INC280", "INCB28060", "capmatinib"),
    ("INC424", "INCB18424", "ruxolitinib"),
    ("LDE225", "sonidegib", "erismodegib"),
    ("LDK378", "ceritinib"),
    ("LEE011", "ribociclib"),
    ("LGH447", "PIM447"),
    ("WNT974", "LGK974"),
    ("trametinib", "GSK1120212"),
    ("dabrafenib", "GSK2118436"),
    ("vemurafenib", "PLX4032"),
    ("everolimus", "RAD001"),
    ("gefitinib", "ZD1839"),
    ("figitumumab", "CP-751871"),
)
_KEYS = {name.casefold(): group[0].casefold() for group in SYNONYMS for name in group}


def drug_key(name: str) -> str:
    """The same text for every name of one drug, whatever its capitals."""
    return _KEYS.get(name.casefold(), name.casefold())
