"""What the name of a field says of its value: a text under `first_name` is a name, whatever it looks like; also of a field that stands in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus

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


_FIELD_NAME: Final = r"([A-Za-z][\w. -]{0,40})"
# Fields of JSON, also of JSON within JSON, of forms and addresses of pages, and of XML.
_WRITTEN: Final = (
    re.compile(
        rf"""\\{{0,3}}["']{_FIELD_NAME}\\{{0,3}}["']\s{{0,8}}:\s{{0,8}}\\{{0,3}}(["'])((?:(?!\\{{0,3}}\2)[^\n]){{1,500}})"""
    ),
    re.compile(rf"""["']{_FIELD_NAME}["']\s{{0,8}}:\s{{0,8}}()(\d{{4,20}})(?!\w)"""),
    re.compile(r"(?:^|(?<=[?&;\s]))([A-Za-z][\w.-]{0,40})=()([^&;\s\"'<>]{1,500})"),
    re.compile(rf"<(?:\w{{1,20}}:)?{_FIELD_NAME}()>([^<\n]{{1,500}})</"),
)


def written(text: str) -> Iterator[tuple[str, int, int]]:
    """Give the values of fields that are written in a text and whose name says what they are: type, start, end."""
    for form in _WRITTEN:
        for match in form.finditer(text):
            if (kind := kind_of(unquote_plus(match[1]))) is not None and match[3].strip():
                yield kind, match.start(3), match.end(3)
