"""What the name of a field says of its value: a text under `first_name` is a name, whatever it looks like."""

from __future__ import annotations

import re
from typing import Final

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.\s]+")
_WHOLE: Final = {
    "PERSON": {
        "name", "full name", "first name", "last name", "given name", "family name", "surname", "middle name", "maiden name", "forename",
        "employee", "employee name", "claimant", "claimant name", "customer name", "patient", "patient name", "contact name", "account holder",
        "cardholder", "cardholder name", "signatory", "applicant", "applicant name", "candidate", "candidate name", "author name",
    },
    "EMAIL_ADDRESS": {"email", "e mail", "email address", "mail address"},
    "PHONE_NUMBER": {"phone", "phone number", "mobile", "mobile number", "telephone", "tel", "fax", "cell", "cell phone"},
    "ADDRESS": {
        "address", "street", "street address", "address line 1", "address line 2", "postal address", "home address", "billing address",
        "shipping address", "postcode", "postal code", "zip", "zip code",
    },
    "DATE_OF_BIRTH": {"date of birth", "dob", "birth date", "birthdate", "birthday", "born"},
    "NATIONAL_ID": {"national id", "tax id", "personal id", "identity number", "id number", "national insurance number", "nhs number"},
    "US_SSN": {"ssn", "social security number"},
    "IBAN_CODE": {"iban"},
    "CREDIT_CARD": {"card number", "credit card", "credit card number", "pan"},
    "PASSPORT": {"passport", "passport number"},
    "DRIVER_LICENSE": {"driver license", "drivers license", "driving licence", "license number"},
    "SECRET": {
        "password", "passwd", "passphrase", "pwd", "secret", "client secret", "api key", "apikey", "token", "access token", "refresh token",
        "private key", "authorization",
    },
}  # fmt: skip
_BY_NAME: Final = {name: kind for kind, names in _WHOLE.items() for name in names}
# A plain field name is part of a form that both sides know; only others may hold personal data themselves.
PLAIN: Final = re.compile(r"[A-Za-z$_][A-Za-z_\-.]{0,63}\d{0,2}\Z")


def words(key: str) -> str:
    """Give a field's name as words: `dateOfBirth` and `date_of_birth` are `date of birth`."""
    return " ".join(part for part in _CAMEL.split(key) if part).lower()


def kind_of(key: str) -> str | None:
    """Give the type that everything in the field is, None where its name does not say."""
    return _BY_NAME.get(words(key))
