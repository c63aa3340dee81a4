"""Finding people without a model: names that are listed, names that words around them introduce, and those that are met again.

    listed      Ada Lovelace, J. Smith, guðrún jónsdóttir: a given name begins, a family name ends (`lexicon.py`)
    introduced  my son X, signed by X Y, "…", says X, X lives in, Regards, X; a block of lines above an address or a number
    met again   what an address of mail spells out, and parts of a full name elsewhere in the text

A name that is also a word (Rose, Baker, Paris) is taken only beside another. Everything is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from interlock.governance.redaction import lexicon
from interlock.governance.redaction.findings import Found

_WORD: Final = re.compile(r"[^\W\d_]{1,60}(?:['’-][^\W\d_]{1,60}){0,3}")
_GAPS: Final = frozenset({" ", ". ", ".", "  "})
_NAME_WORDS_MAX: Final = 5
_PART_CHARS_MIN: Final = 3
_ALONE_CHARS_MIN: Final = 4
_ACRONYM_CHARS_MAX: Final = 5


@dataclass
class _Word:
    text: str
    start: int
    end: int
    joined: bool  # to the word before it, as the words of one name are

    @cached_property
    def key(self) -> str:
        return lexicon.fold(self.text)

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()

    @property
    def possessive(self) -> bool:
        return self.text.endswith(("'s", "’s", "'S"))

    @property
    def last(self) -> int:
        """Where the name ends, without a possessive ending."""
        return self.end - 2 if self.possessive else self.end

    @property
    def acronym(self) -> bool:
        listed = len(self.text) > _PART_CHARS_MIN and (self.given or self.family)
        return self.text.isupper() and 1 < len(self.text) <= _ACRONYM_CHARS_MAX and not listed

    @property
    def initial(self) -> bool:
        return len(self.text) == 1 and self.capital

    @cached_property
    def given(self) -> bool:
        return lexicon.given(self.key)

    @cached_property
    def family(self) -> bool:
        return lexicon.family(self.key) or (self.capital and lexicon.ends_as_family(self.text))

    @cached_property
    def sure(self) -> bool:
        return lexicon.sure(self.key)

    @cached_property
    def plain(self) -> bool:
        return lexicon.plain(self.key)


def _words(text: str) -> list[_Word]:
    found: list[_Word] = []
    for match in _WORD.finditer(text):
        before = found[-1] if found else None
        joined = False
        if before is not None and not before.possessive and match.start() - before.end <= 2:
            gap = text[before.end : match.start()]
            # A point joins only after an initial; elsewhere a sentence ends.
            joined = gap in _GAPS and ("." not in gap or len(before.text) == 1)
        found.append(_Word(match[0], match.start(), match.end(), joined))
    return found


def find(text: str) -> Iterator[Found]:
    """Find people. Finds may overlap."""
    words = _words(text)
    yield from _listed(text, words)
    yield from _introduced(text)
    yield from _headed(text)
    yield from _speaking(text)
    yield from _spelt_in_mail(text, words)


# Listed


def _listed(text: str, words: Sequence[_Word]) -> Iterator[Found]:
    small = not any(w.capital for w in words)
    at = 0
    while at < len(words):
        end, score = _person(text, words, at, small)
        if end is None:
            at += 1
            continue
        if not _glued(text, words[at].start, words[end].last):
            yield Found("PERSON", words[at].start, words[end].last, score)
        at = end + 1


def _person(text: str, words: Sequence[_Word], at: int, small: bool) -> tuple[int | None, float]:
    """Give the index of the last word of the name that begins here, and how sure it is; None where none does."""
    word = words[at]
    if _in_a_place(words, at):
        return None, 0.0
    if not word.capital:
        return _small_person(words, at, small)
    if lexicon.before_place(word.key) and not word.given:
        return None, 0.0
    if word.plain or word.acronym or lexicon.organisation(word.key) or word.key in lexicon.PARTICLES:
        return None, 0.0
    end = _extent(words, at, numbered=text[max(0, word.start - 2) : word.start - 1].isdigit())
    if end is None:
        return None, 0.0
    named = words[at : end + 1]
    if word.given and word.sure:
        return end, 0.55
    if len(named) > 1:
        if len(named) > 2 and named[1].initial and not word.initial:  # Faina D. Yefremova, whatever her name is
            return end, 0.5
        known = [w for w in named[1:] if w.capital and not w.initial and (w.family or w.given)]
        if any(w.sure for w in known) or (known and (word.given or word.initial)):
            return end, 0.5
    return _family_alone(text, words, at, end)


def _in_a_place(words: Sequence[_Word], at: int) -> bool:
    """Tell whether a word of a street or a place stands before, with only words with capitals between: `Rue Victor Hugo`."""
    for place in range(at, max(at - _NAME_WORDS_MAX, 0), -1):
        before = words[place - 1]
        if not words[place].joined:
            return False
        if lexicon.before_place(before.key):
            return True
        if not before.capital and before.key not in lexicon.PARTICLES:
            return False
    return False


def _small_person(words: Sequence[_Word], at: int, small: bool) -> tuple[int | None, float]:
    """A name in small letters: a given and a family name; a given name alone only where nothing has a capital."""
    word = words[at]
    if not (word.given and word.sure) or word.key in lexicon.PARTICLES:
        return None, 0.0
    last = at + 1
    while last < len(words) and words[last].joined and len(words[last].text) == 1 and last - at < 3:
        last += 1
    after = words[last] if last < len(words) else None
    if after is not None and after.joined and after.sure and (after.family or lexicon.ends_as_family(after.text)):
        return last, 0.45
    return (at, 0.4) if small and len(word.key) >= _ALONE_CHARS_MIN else (None, 0.0)


def _extent(words: Sequence[_Word], at: int, *, numbered: bool) -> int | None:
    """Give the index of the last word of a row that could be one name; None where the row names a firm, a street or a place.

    `Fletcher Hill` is a person, `14 Fletcher Hill` is not.
    """
    person = words[at].given and words[at].sure and not numbered
    end, place = at, at
    shouted = words[at].text.isupper() and len(words[at].text) > 1
    while not words[place].possessive and place + 1 < len(words) and place + 1 - at < _NAME_WORDS_MAX:
        word = words[place + 1]
        if not word.joined:
            break
        if word.capital and lexicon.organisation(word.key) and not (word.family and (word.sure or person)):
            return None
        if word.capital and not word.initial:
            if word.plain or (shouted and not (word.family or word.given)):
                break
            end = place + 1
        elif not word.initial and word.key not in lexicon.PARTICLES:
            break
        place += 1
    return end


_PLACING: Final = re.compile(r"(?<!\w)(?:in|at|near) \Z", re.IGNORECASE)


def _family_alone(text: str, words: Sequence[_Word], at: int, end: int) -> tuple[int | None, float]:
    word = words[at]
    if end != at or not (word.family and word.sure) or len(word.key) < _ALONE_CHARS_MIN or word.text.isupper():
        return None, 0.0
    if _PLACING.search(text[max(0, word.start - 8) : word.start]):
        return None, 0.0
    beside = text[max(0, word.start - 2) : word.start], text[word.end : word.end + 2]
    numbered = beside[0][-2:-1].isdigit() or beside[1][1:2].isdigit()
    return (
        (None, 0.0) if numbered or (word.joined and words[at - 1].capital and not words[at - 1].plain) else (at, 0.42)
    )


def _glued(text: str, start: int, end: int) -> bool:
    """Tell whether a word is part of an address of mail, a link, a path or a number."""
    before, after = text[start - 1 : start], text[end : end + 2]
    return before in {"@", "/", "\\", "_", "&", "#"} or before.isdigit() or (before == "." and start > 1 and text[start - 2].isalnum()) or (
        after[:1] in {"@", "_", "/", "\\"} or after[:1].isdigit() or (after[:1] == "." and after[1:].isalnum() and end - start > 1)
    )  # fmt: skip


# Introduced

_N: Final = r"[^\W\d_][\w'’.-]{0,40}"
_NAMES: Final = rf"({_N}(?: {_N}){{0,3}})"
_ROLE: Final = (
    r"(?:assistant|aunt|boss|boyfriend|brother|child|client|co-?worker|colleague|cousin|dad|daughter|doctor|father|fianc[eé]e?|friend|girlfriend"
    r"|grand(?:father|mother|son|daughter)|husband|kid|landlord|lawyer|manager|mate|mom|mother|mum|neighbou?r|nephew|niece|parent|partner"
    r"|secretary|sister|son|spouse|supervisor|tenant|uncle|wife)s?"
)
_DONE: Final = (
    r"(?:accepted|approved|authori[sz]ed|booked|checked|collected|composed|created|directed|drafted|edited|entered|filed|handled|issued|lodged"
    r"|ordered|painted|paid|performed|prepared|produced|received|requested|reviewed|sent|served|signed|submitted|verified|witnessed|written)"
)
_SAYING: Final = (
    r"(?:adds|added|admits|admitted|agrees|agreed|answered|asks|asked|believes|complained|cries|cried|explains|explained|insists|insisted"
    r"|laughs|laughed|mutters|muttered|recalls|recalled|replies|replied|says|said|shouts|shouted|smiles|smiled|suggests|suggested|thinks"
    r"|thought|wonders|wondered|whispers|whispered|yells|yelled)"
)
_DOING: Final = (
    rf"(?:{_SAYING}|can't come|cannot come|has left|is a very|is from|is my|is our|is (?:his|her)|lives|lived|moved to|spent (?:a|the|two|three)"
    r"|told (?:me|us|him|her|them)|works (?:at|for|in|with)|worked (?:at|for|in|with)|was born|went to|wrote to)"
)
_ASKING: Final = (
    r"(?:are you|can (?:I|we|you)|could (?:I|we|you)|do you|have you|how|I |I'm|I'd|if you|is (?:it|this)|let me|may I|please|thank|thanks"
    r"|this is|we |what|when|where|why|will you|would you|you )"
)
# What introduces a name, how sure it is then, the words it needs, and whether small letters will do.
_CUES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), score, least, small)
    for pattern, score, least, small in (
        (rf"(?<!\w)(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|sir|madam|mme|sig|sr|sra)\b\.? {{1,2}}{_NAMES}", 0.7, 1, False),
        (
            r"(?<!\w)(?:my (?:full |first |last |legal |sur)?name(?: is|:|'s)"
            r"|(?:first|last|full|family|given|maiden|middle|sur) ?name(?:'s)?(?: is|\?|:)"
            r"|call(?:s|ed)? me|i am called|i'm called|mein name ist|ich heiße|je m'appelle|mi nombre es|me llamo|mi chiamo)"
            rf"\s{{1,8}}{_NAMES}", 0.62, 1, True,
        ),
        (
            r"(?<!\w)(?:name is:?|name:|signed(?: by)?:?|dear|hi|hello|hey|kind regards,?|best regards,?|warm regards,?|regards,?|sincerely,?|yours,"
            r"|best wishes,?|many thanks,|thanks,|cheers,|love,|patient|claimant|employee|customer|cardholder"
            rf"|attn:?|attention:?|attendees?:|contact person:?|c/o|cc:)\s{{1,8}}{_NAMES}",
            0.6, 1, False,
        ),
        (rf"(?<!\w)(?:my|his|her|our|your|their|the|'s) (?:[^\W\d_]{{1,12}} )?{_ROLE},? {_NAMES}", 0.55, 1, False),
        (rf"(?<!\w){_ROLE} (?:to|of) {_NAMES}", 0.5, 2, False),
        (rf"(?<!\w)([^\W\d_]{{2,40}})['’]s (?:[^\W\d_]{{1,12}} )?{_ROLE}(?!\w)", 0.5, 1, False),
        (rf"(?<!\w)({_N}(?: {_N}){{1,3}}?), (?:an?|the|our|my|its|their) [^,.\n]{{3,50}}, {_SAYING}", 0.5, 2, False),
        (rf"(?<!\w){_DONE} by:? {_NAMES}", 0.55, 2, False),
        (
            r"(?<!\w)(?:was|is|been|am|a \w{3,8}) (?:called|named) (?=\w)" rf"{_NAMES}", 0.55, 2, False,
        ),
        (
            r"(?<!\w)(?:by|under|add|ask for|assigned to|behalf of|belongs to"
            r"|change it to|name of|starring|speak (?:to|with)|spoke (?:to|with)|talk to"
            r"|(?:actor|actress|artist|author|composer|director|novelist|painter|poet|singer|songwriter|writer))"
            rf":? {{1,4}}{_NAMES}", 0.45, 2, False,
        ),
        (rf"[\"”'’]\s?,? ?{_SAYING} {_NAMES}", 0.5, 1, False),
        (rf"(?<!\w){_SAYING} (?:at|to) {_NAMES}(?=[\s:,.!?\"])", 0.5, 1, False),
        (rf"(?:^|[.!?:\"”]\s{{1,2}}|\n)({_N}(?: {_N}){{0,2}}?) {_DOING}(?!\w)", 0.5, 1, False),
        (rf"(?:^|\n|[.!?]\s)({_N}), {_ASKING}", 0.5, 1, False),
    )
)  # fmt: skip


# Here the verb follows the name at once.
_BEFORE_VERBS: Final = frozenset(pattern for pattern, *_ in _CUES[-2:])


def _introduced(text: str) -> Iterator[Found]:
    for pattern, score, least, small in _CUES:
        for match in pattern.finditer(text):
            start = match.start(1)
            end = _name_end(text, start, match.end(1), small=small)
            if (
                end > start
                and len(text[start:end].split()) >= least
                and (end == match.end(1) or pattern not in _BEFORE_VERBS)
            ):
                yield Found("PERSON", start, end, score)


def _name_end(text: str, start: int, end: int, *, small: bool) -> int:
    """Give where a name ends: after its last word with a capital, before the first that is plain prose or names a firm."""
    last, first = start, True
    for word in re.finditer(r"\S+", text[start:end]):
        name = word[0].rstrip(".,;:!?")
        key = lexicon.fold(name)
        possessive = name.endswith(("'s", "’s"))
        if not name or (lexicon.plain(key) and (first or len(name) > 1)) or (name.isupper() and 1 < len(name) < 4):
            break
        if name[0].isupper() or (small and key not in lexicon.PARTICLES):
            if not first and lexicon.organisation(key) and not lexicon.family(key):
                return start
            last = start + word.start() + len(name) - (2 if possessive else 0)
            if possessive or (name != word[0] and len(name) > 1):
                break
        elif key not in lexicon.PARTICLES:
            break
        first = False
    return last


# The head of a block of lines

_LINE_LEAD: Final = re.compile(r"[>?|*\s]{0,12}")
_HEAD: Final = re.compile(rf"{_N}(?: {_N}){{1,3}}\Z")
_BELOW: Final = re.compile(
    r"\d{3}|[\w.]@\w|\d[ -]?\d\d\d?\b.{0,40}\b(?:str|road|street)|(?:phone|mobile|tel|fax)\b", re.IGNORECASE
)
_LINES_BELOW: Final = 4
_HEAD_CHARS_MAX: Final = 60


def _headed(text: str) -> Iterator[Found]:
    """A line of two to four words with capitals, first of its block, above lines that hold numbers or an address of mail."""
    lines: list[tuple[int, str]] = []
    at = 0
    for line in text.split("\n"):
        lead = _LINE_LEAD.match(line)
        skipped = lead.end() if lead else 0
        lines.append((at + skipped, line[skipped:].rstrip(" ,")))
        at += len(line) + 1
    for number, (start, line) in enumerate(lines):
        if len(line) > _HEAD_CHARS_MAX or (number and lines[number - 1][1]) or not _HEAD.match(line):
            continue
        words = line.split()
        keys = [lexicon.fold(word.strip(".")) for word in words]
        if not all(word[0].isupper() or key in lexicon.PARTICLES for word, key in zip(words, keys, strict=True)):
            continue
        if any((lexicon.plain(k) and len(k) > 1) or lexicon.organisation(k) for k in keys) or not any(
            lexicon.given(k) or lexicon.family(k) or lexicon.ends_as_family(w) for k, w in zip(keys, words, strict=True)
        ):
            continue
        if any(_BELOW.search(below) for _, below in lines[number + 1 : number + 1 + _LINES_BELOW]):
            yield Found("PERSON", start, start + len(line), 0.48)


_SPEAKER: Final = re.compile(rf"^[>\s]{{0,4}}({_N}(?: {_N})?):(?=\s?[\w\"“'’])", re.MULTILINE)


def _speaking(text: str) -> Iterator[Found]:
    """In a row of lines `X: …`, one that is a given name says that the others are people too."""
    speakers = [m for m in _SPEAKER.finditer(text) if m[1][0].isupper() and not lexicon.plain(lexicon.fold(m[1]))]
    keys = [lexicon.fold(m[1].split()[0]) for m in speakers]
    if len(speakers) > 1 and any(lexicon.given(key) and lexicon.sure(key) for key in keys):
        yield from (Found("PERSON", m.start(1), m.end(1), 0.45) for m in speakers)


# Met again

_MAIL_LOCAL: Final = re.compile(r"(?<![\w.+-])([^\W\d_][\w.-]{2,63})@\w")
_MAIL_PARTS: Final = re.compile(r"[^\W\d_]{3,}")


def _spelt_in_mail(text: str, words: Sequence[_Word]) -> Iterator[Found]:
    """`ada.lovelace@…` or `AdaLovelace@…` says that `Ada Lovelace`, and `Lovelace`, are names."""
    whole: set[str] = set()
    parts: set[str] = set()
    for match in _MAIL_LOCAL.finditer(text):
        local = match[1].lower()
        pieces = _MAIL_PARTS.findall(local)
        whole.add("".join(c for c in lexicon.fold(local) if c.isalpha()))
        if len(pieces) > 1:
            parts.update(lexicon.fold(piece) for piece in pieces)
    if not whole:
        return
    for at, word in enumerate(words):
        if _glued(text, word.start, word.last) or not word.capital or word.plain:
            continue
        if word.key in parts and word.sure:
            yield Found("PERSON", word.start, word.last, 0.45)
        spelt = word.key
        for end in range(at + 1, min(at + 4, len(words))):
            if not words[end].joined:
                break
            spelt += "" if words[end].initial else words[end].key
            if spelt.replace("-", "") in whole:
                yield Found("PERSON", word.start, words[end].last, 0.55)
                break


def parts(name: str) -> list[str]:
    """Give the words of a full name that say who is meant where they stand alone; none where it is not the name of a person."""
    words = _words(name)
    told = [w for w in words if w.capital and not w.initial]
    if (
        len(told) < 2
        or len(words) > _NAME_WORDS_MAX
        or any(not w.capital and w.key not in lexicon.PARTICLES for w in words)
    ):
        return []
    if any(w.plain or lexicon.organisation(w.key) for w in told) or not any(w.given or w.family for w in told):
        return []
    return [w.text[: w.last - w.start] for w in told if len(w.key) >= _PART_CHARS_MIN]


def again(text: str, found: Iterable[Found]) -> Iterator[Found]:
    """Find the parts of names that were found whole, where they stand alone with a capital."""
    known = {part for f in found if f.type == "PERSON" for part in parts(text[f.start : f.end])}
    if known:
        yield from (Found("PERSON", start, end, 0.4) for start, end in _alone(text, known))


def _alone(text: str, known: Collection[str]) -> Iterator[tuple[int, int]]:
    folded = {lexicon.fold(part) for part in known}
    for word in _words(text):
        if word.capital and word.key in folded and not _glued(text, word.start, word.last):
            yield word.start, word.last
