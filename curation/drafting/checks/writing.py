"""Checks on writing as such: hostile content, echoes of instructions, language, and length."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files

from curation.drafting.checks.finding import UNWANTED, Finding, plain
from curation.drafting.checks.lists import listed
from curation.drafting.checks.texts import Place, texts
from curation.drafting.checks.words import folded
from curation.errors import Reason
from curation.records import KnowledgeItem

MAX_WORD_PIECES = 510
"""Request and edited text together: SERAC's classifier cuts nothing and fails beyond (its reference code)."""
MAX_QUESTION_PIECES = 400
"""Question and answer: with a picture's 256 or more places far below 2,048, also beside other prompts."""
SHINGLE = 9
"""So many words in a row as in a prompt's instructions are no accident."""

_TOP_LEVEL = (
    "com|org|net|io|ru|info|biz|xyz|top|site|online|example|test|dev|app|co|me|cn|de|uk|fr|eu|tk|click"
)
_ADDRESS = re.compile(
    r"(?i:\b(?:h(?:tt|xx)ps?|ftps?|wss?|mailto|javascript|vbscript|tel)\s*:(?=\s*[/\w]))|(?i:\bdata:\w+/)|"
    r"(?i:\bfile:/)|(?i:\bwww\s?\.)|"
    rf"(?<![\w.@])[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:{_TOP_LEVEL})(?:/\S*|:\d+\S*|(?![\w.-]*\w))|"
    r"\w\.(?i:com|org|net|io|ru)/\w|\w@\w|(?<!\w)@\w|//\w+[.]\w|\[\.\]|\b\d{1,3}(?:\.\d{1,3}){3}[:/]"
)
_MARKUP = re.compile(
    r"<[A-Za-z/!?%]|&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]{1,30});|!?\[[^\]]*\]\s?\(|\]\[|^\s*\[[^\]]+\]:|"
    r"`|~~~|\*\*|(?<!\w)__\w|^\s*#{1,6}\s|^\s*>\s|^\s*[-*•]\s+\w|\|\s*:?-{2,}|[{}]|\\[A-Za-z0-9(\[]|<<|>>>|"
    r"\[(?:\d+|citation needed|edit)\]|\[\d*(?:;\d+)*[mKHJ]\b|(?<!\w)on(?:error|load|click|mouseover)\s*=",
    re.IGNORECASE | re.MULTILINE,
)
# What spreadsheets take for a formula: OWASP, "CSV Injection". A signed number is none.
_FORMULA = re.compile(r"\s*['\"]?\s*(?:[=@＝＠]|[+\-＋－](?!\d[\d.,]*(?:\s|$|%|°)))")
_MIXED = re.compile(r"[A-Za-z][^\W\d_]*[Ѐ-ӿοΟ]|[Ѐ-ӿοΟ][^\W\d_]*[A-Za-z]")

_DO = r"(?:ignor|disregard|forget|overrid|bypass|skip)(?:e|ing|ed)?"
_EARLIER = (
    r"(?:previous|prior|preceding|above|earlier|foregoing|former|"
    r"system|original|all|any|these|those|your|my|the)"
)
_ORDERS = r"(?:instructions?|prompts?|commands?|directions?|rules|guidelines|messages?|orders|context)"
_ECHO = re.compile(
    rf"\b{_DO}\b(?:\s+\w+){{0,3}}?\s+{_EARLIER}\b(?:\s+\w+){{0,3}}?\s+{_ORDERS}\b|"
    rf"\b{_DO}\s+(?:all\s+|everything\s+|anything\s+)?(?:the\s+|of\s+the\s+)?(?:previous|prior|above|foregoing)\b|"
    r"\bforget\s+everything\b|"
    r"\bas\s+an?\s+(?:ai|large)\s+(?:language\s+)?(?:model|assistant|chatbot|system)\b|\bas\s+an\s+ai\s*,|"
    r"\bas\s+a\s+(?:language\s+model|chatbot)\b|\bi\s+am\s+(?:an?\s+)?(?:ai|large\s+language)\s+(?:model|assistant)\b|"
    r"\bi'?m\s+(?:sorry|unable|afraid)\b|\bi\s+(?:cannot|can't|can\s+not|am\s+unable\s+to|won't)\s+"
    r"(?:assist|help|comply|provide|answer|fulfil+|generate|create|write|do|determine|see|tell)\b|"
    r"\bmy\s+(?:training\s+data|knowledge\s+cut-?off|programming)\b|"
    r"\b(?:system|developer|hidden)\s+(?:prompt|message|instructions?)\b|\bjail-?break|\bdeveloper\s+mode\b|"
    r"\bprompt\s+injection\b|\b(?:new|updated|additional|important)\s+instructions?\s*:|"
    r"(?:^|[.!?:]\s+|\n)\s*(?:system|assistant|human|user|instruction|instructions|developer)\s*:|"
    r"###\s*(?:instruction|system|response|input)|<\|\w*\|>|\[/?inst\]|"
    r"\byou\s+are\s+(?:now\s+)?(?:an?\s+)?(?:ai|helpful|chatgpt|gpt|claude|dan|unrestricted|language\s+model)\b|"
    r"\byou\s+(?:must|should|will)\s+now\b|\b(?:reveal|print|repeat|leak)\s+(?:\w+\s+){0,3}?(?:prompt|instructions|api\s+key)\b|"
    r"\bapi[\s_-]?keys?\b\s*(?:is|=|:)|\bend\s+of\s+data\b|\bdata\s+block\b|\bmarker\s+lines?\b|\bquoted\s+material\b|"
    r"\b(?:valid|one)\s+json\b|\bjson\s+object\b|\bcounterfactual\b|"
    r"\b(?:edited|original)\s+knowledge\b|\bedited\s+(?:text|version)\b|\bknowledge\s+editing\b|"
    r"\b(?:fine_type|edited_text|original_text|source_text|source_title|user_name|rephrased_request|"
    r"text_question|image_question|hop_source)\b|\b[0-9a-f]{16}\b|\blorem\s+ipsum\b|\.{3}\s*$|^\W*\.{3}",
    re.IGNORECASE,
)
_ENGLISH = frozenset(listed("english"))
_NON_LATIN_SHARE = 0.4


def hostile(item: KnowledgeItem) -> Iterator[Finding]:
    """No text holds an address, markup, a formula, look-alike letters, or a character that nobody sees."""
    own = {word.lower() for word in re.findall(r"\S+", item.subject_name)}
    for place in texts(item):
        found = hostile_words(place.text, own)
        if found is not None:
            what, span = found
            yield Finding(
                check="hostile",
                reason=Reason.HOSTILE_CONTENT,
                probe_id=place.probe_id,
                detail=f"{place.what} holds {what}",
                span=plain(span),
            )


def hostile_words(text: str, own: Collection[str] = ()) -> tuple[str, str] | None:
    """Return what is hostile in a text and the words that it is about, None for a harmless one.

    own: words in lower case that may look like an address, as a name of the subject's does.
    """
    bad = next((char for char in text if unicodedata.category(char) in UNWANTED), None)
    if bad is not None:
        return f"the character U+{ord(bad):04X}, which nobody sees", ""
    if unicodedata.normalize("NFC", text) != text:
        return "letters and accents that are not joined (no NFC)", ""
    address = next((hit for hit in _ADDRESS.finditer(text) if hit[0].lower() not in own), None)
    if address is not None:
        return "an address", address[0]
    for what, pattern in (("markup", _MARKUP), ("letters of two alphabets in one word", _MIXED)):
        if hit := pattern.search(text):
            return what, hit[0]
    if hit := _FORMULA.match(text):
        return "what a spreadsheet would take for a formula", hit[0]
    return None


def echoed(item: KnowledgeItem) -> Iterator[Finding]:
    """No text repeats instructions: those of our prompts, of a page that speaks to a model, or a refusal."""
    for place in texts(item):
        hit = _ECHO.search(place.text)
        span = hit[0] if hit else _of_a_prompt(place.text)
        if span:
            yield Finding(
                check="echoed",
                reason=Reason.ECHOES_INSTRUCTION,
                probe_id=place.probe_id,
                detail=f"{place.what} reads like an instruction or like a model speaking of itself",
                span=plain(span),
            )


def _of_a_prompt(text: str) -> str:
    words = re.findall(r"\w+", text.casefold())
    known = _instructions()
    runs = (tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1))
    return next((" ".join(run) for run in runs if run in known), "")


@cache
def _instructions() -> frozenset[tuple[str, ...]]:
    """Return every run of words of the prompts' instructions; quoted examples are none."""
    runs = set()
    for entry in files("prompts").iterdir():
        if not entry.name.endswith(".md"):
            continue
        text = entry.read_text(encoding="utf-8").split("---\n", 2)[-1]
        # What a prompt gives as a model to follow may well be followed: sentences to copy, quoted examples.
        for piece in re.split(
            r"\"[^\"]*\"|`[^`]*`|<[^>]*>|(?<=exactly): .*$|\n\s*\n", text, flags=re.MULTILINE
        ):
            words = re.findall(r"\w+", piece.casefold())
            runs |= {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}
    return frozenset(runs)


def language(item: KnowledgeItem) -> Iterator[Finding]:
    """Texts and questions are English; names and short answers may be anything in Latin letters."""
    for place in texts(item):
        if _foreign(place, item.subject_name):
            yield Finding(
                check="language",
                reason=Reason.NOT_ENGLISH,
                probe_id=place.probe_id,
                detail=f"{place.what} is not English",
                span=plain(place.text),
            )


def _foreign(place: Place, name: str) -> bool:
    """Tell whether a text is not English: by its letters, then by its small words and a classifier together.

    The classifier (Lui and Baldwin 2012, langid.py) is wrong about a third of short questions full of names,
    so that it only confirms what the lack of English small words suggests.
    """
    if place.name == "subject's name":
        return False
    letters = [char for char in place.text.replace(name, "") if char.isalpha()]
    strange = sum(not unicodedata.name(char, "").startswith(("LATIN", "MICRO", "GREEK")) for char in letters)
    if strange > 1 and strange > _NON_LATIN_SHARE * len(letters):
        return True
    words = folded(place.text).split()
    if place.is_answer or len(words) < 4:
        return False
    small = sum(word.strip(".,;:?!'\"()") in _ENGLISH for word in words)
    if re.search(r"\b(?:is|was|are|were) (?:an?|the)\b", place.text) or small > (
        0 if len(words) < 12 else 0.06 * len(words)
    ):
        return False
    # Names are of all languages: only small letters tell which one the sentence is in.
    return (
        _classified(" ".join(word for word in place.text.replace(name, "").split() if word.islower())) != "en"
    )


@cache
def _classified(text: str) -> str:
    import py3langid  # type: ignore[import-untyped]  # it reads its model, half a second

    return str(py3langid.classify(text)[0])


def too_long(item: KnowledgeItem) -> Iterator[Finding]:
    """Request and edited text, and each question with its answer, stay below what models and editors take."""
    for name, request in (("request", item.request), ("rephrased request", item.rephrased_request)):
        pieces = word_pieces_at_most(request) + word_pieces_at_most(item.edited_text)
        if pieces > MAX_WORD_PIECES:
            detail = f"the {name} and the edited text may come to {pieces} word pieces, {MAX_WORD_PIECES} fit"
            yield Finding(check="too_long", reason=Reason.TOO_LONG, probe_id=None, detail=detail)
            break
    for probe in item.probes:
        pieces = word_pieces_at_most(probe.question) + word_pieces_at_most(probe.answer)
        if pieces > MAX_QUESTION_PIECES:
            yield Finding(
                check="too_long",
                reason=Reason.TOO_LONG,
                probe_id=probe.probe_id,
                detail=f"question and answer may come to {pieces} word pieces, {MAX_QUESTION_PIECES} fit",
            )


def word_pieces_at_most(text: str) -> int:
    """Return how many word pieces a text may come to with BERT's English vocabulary, rather too many.

    Signs and letters beyond Latin are one each, digits one each; of a word in Latin letters a piece takes
    two letters at the least on average, save for words without vowels, where each letter may stand alone.
    """
    count = 0
    for word in re.findall(r"[^\W\d_]+|\d+|[^\w\s]|_", folded(text)):
        spelled = not word.isascii() or not word.isalpha() or not re.search(r"[aeiouy]", word)
        count += len(word) if spelled else math.ceil(len(word) / 2.5)
    return count
