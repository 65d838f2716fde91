"""Extraction by rules: which part of a text is the value a question asks for, copied exactly as written. Pure."""

from typing import assert_never

from schemas.fields import ExtractType
from workers.modelserver.extraction.amounts import find_currency, find_decimal, find_integer, find_money
from workers.modelserver.extraction.contacts import find_date, find_email, find_iban, find_phone
from workers.modelserver.extraction.names import find_organisation, find_person
from workers.modelserver.extraction.references import find_reference
from workers.modelserver.labeller import ExtractQuestion

MOST_CHARS = 20_000


def extract(question: ExtractQuestion, text: str) -> str | None:
    """Return the value as it stands in the first 20,000 characters of the text, or None."""
    text = text[:MOST_CHARS]
    match question.type:
        case ExtractType.MONEY:
            return find_money(text)
        case ExtractType.DECIMAL:
            return find_decimal(text)
        case ExtractType.CURRENCY:
            return find_currency(text)
        case ExtractType.DATE:
            return find_date(text)
        case ExtractType.EMAIL:
            return find_email(text)
        case ExtractType.PHONE:
            return find_phone(text)
        case ExtractType.IBAN:
            return find_iban(text)
        case ExtractType.INTEGER:
            return find_integer(text, question)
        case ExtractType.STRING:
            return find_reference(text, question)
        case ExtractType.PERSON:
            return find_person(text)
        case ExtractType.ORGANISATION:
            return find_organisation(text)
        case _:
            assert_never(question.type)
