"""Currencies in use: ISO 4217 codes with their minor units, and the signs and words people write for them.

`MINOR_UNITS` is cut from the ISO 4217 list at github.com/datasets/currency-codes (commit ab9b0ae88e8b), which is in the public
domain under the Open Data Commons Public Domain Dedication and Licence (PDDL) 1.0: codes without a withdrawal date, and without
those that have no minor unit (metals, bond units, XTS, XXX), since nobody is paid in them.
"""

from collections.abc import Mapping
from types import MappingProxyType

_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
        "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD "
        "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK "
        "MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD "
        "RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH "
        "USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

_DOLLARS_AND_PESOS = (
    "ARS AUD BBD BMD BND BSD BZD CAD CLP COP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD USD UYU XCD"
)

MINOR_UNITS: Mapping[str, int] = MappingProxyType(
    {code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()}
)
"""Digits after the decimal point, by active alphabetic code."""

SIGNS: Mapping[str, str] = MappingProxyType(
    {
        # A bare sign or word means the currency Unicode CLDR shows with it in English.
        "$": "USD",
        "us$": "USD",
        "dollar": "USD",
        "dollars": "USD",
        "us dollar": "USD",
        "us dollars": "USD",
        "€": "EUR",
        "euro": "EUR",
        "euros": "EUR",
        "£": "GBP",
        "pound": "GBP",
        "pounds": "GBP",
        "pounds sterling": "GBP",
        "¥": "JPY",
        "yen": "JPY",
        "cn¥": "CNY",
        "yuan": "CNY",
        "a$": "AUD",
        "au$": "AUD",
        "c$": "CAD",
        "ca$": "CAD",
        "hk$": "HKD",
        "mx$": "MXN",
        "nt$": "TWD",
        "nz$": "NZD",
        "r$": "BRL",
        "s$": "SGD",
        "₹": "INR",
        "₩": "KRW",
        "₪": "ILS",
        "₫": "VND",
        "₱": "PHP",
        "₦": "NGN",
        "₴": "UAH",
        "₺": "TRY",
        "₸": "KZT",
        "zł": "PLN",
        "kč": "CZK",
        "swiss francs": "CHF",
    }
)
"""Code by sign or word, in lower case after NFKC."""

SHARED_SIGNS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "$": frozenset(_DOLLARS_AND_PESOS.split()),
        "£": frozenset({"EGP", "FKP", "GBP", "GIP", "SHP", "SSP"}),
        "¥": frozenset({"CNY", "JPY"}),
    }
)
"""Codes that may stand beside a sign and say which of its currencies is meant, as in `$12.00 CAD`."""


def currency_code(written: str) -> str | None:
    """Return the active ISO 4217 code this code, sign or word means (`written` after NFKC), or None."""
    return SIGNS.get(written.lower()) or (code if (code := written.upper()) in MINOR_UNITS else None)


def one_currency(before: str, after: str) -> str | None:
    """Return the code meant by what stands before and after an amount; None if one is unknown or they disagree."""
    first, second = currency_code(before), currency_code(after)
    if first is None or second is None or first == second:
        return first if first == second else None
    if second in SHARED_SIGNS.get(before, ()) and after.upper() == second:
        return second
    return None
