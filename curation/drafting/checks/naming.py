"""Checks on names: where the subject must be named, and where its name would give the answer away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from curation.drafting.checks.finding import Finding, plain
from curation.drafting.checks.lists import listed
from curation.drafting.checks.words import folded, holds_run, tokens
from curation.drafting.mining.phrases import bare_name
from curation.errors import Reason
from curation.records import EditType, KnowledgeItem, ProbeKind

# Words of names that say what a thing is or how it is, not which one it is.
_GENERIC = frozenset(listed("generic"))
_SMALL = frozenset(listed("small_in_names"))
_ERAS = frozenset(
    {
        "AD",
        "BC",
        "BCE",
        "CE",
        "TV",
        "AM",
        "PM",
        "ID",
        "OK",
        "PC",
        "CD",
        "DJ",
        "LA",
        "NY",
        "II",
        "III",
        "IV",
        "VI",
    }
)


def leaks(item: KnowledgeItem) -> Iterator[Finding]:
    """Requests and questions about the edit's picture never name the subject, wholly or in part.

    Counted as naming: plural, possessive, without accents, a distinctive part, initials. A composite's
    question does name it, so that it is looked for.
    """
    asked: list[tuple[str | None, str, str]] = [
        (None, "the request", item.request),
        (None, "the rephrased request", item.rephrased_request),
    ]
    asked += [
        (probe.probe_id, "the question", probe.question)
        for probe in item.probes
        if probe.kind in (ProbeKind.I_REL, ProbeKind.I_GEN)
        or (probe.kind is ProbeKind.PORT and item.edit_type is EditType.VISUAL_ENTITY)
    ]
    for probe_id, where, text in asked:
        told = named_in(text, item)
        if told:
            yield Finding(
                check="leaks",
                reason=Reason.NAME_LEAKED,
                probe_id=probe_id,
                detail=f"{where} names the subject, which only the picture may tell",
                span=plain(told),
            )


def named_in(text: str, item: KnowledgeItem) -> str:
    """Return the words by which a text names an item's subject, '' when it does not."""
    name = tokens(bare_name(item.subject_name))
    given = _given(item)
    if not name or holds_run(tokens(item.fine_type), name):
        return ""
    words = tokens(text)
    if len(name) > 1 or name[0] not in _SMALL:
        if told := _run_in(words, name):
            return told
    elif re.search(rf"(?<!^)(?<!\w){re.escape(bare_name(item.subject_name))}(?!\w)", text):
        return bare_name(item.subject_name)
    for length in range(len(name) - 1, 1, -1):
        for at in range(len(name) - length + 1):
            run = name[at : at + length]
            telling = [word for word in run if word not in _SMALL]
            if len(telling) > 1 and set(telling) - given and (told := _run_in(words, run)):
                return told
    return _part_in(words, item, given) or _initials_in(text, item)


def _given(item: KnowledgeItem) -> frozenset[str]:
    """Return the words that every question may use: what the picture shows, in general, and whose it is."""
    given = tokens(item.fine_type) + tokens(item.category.replace("_", " ")) + tokens(item.user_name or "")
    return frozenset(form for word in given for form in (word, _stem(word), f"{word}s", f"{word}es"))


def _run_in(words: tuple[str, ...], run: tuple[str, ...]) -> str:
    """Return a run of words where words hold it, its last word in any of its forms."""
    for at in range(len(words) - len(run) + 1):
        window = words[at : at + len(run)]
        if window[:-1] == run[:-1] and _alike(window[-1], run[-1]):
            return " ".join(window)
    return ""


def _alike(word: str, part: str) -> bool:
    """Tell whether a word is a form of a name's part: the plural, or the same stem with a short ending."""
    if word == part or word in (f"{part}s", f"{part}es") or part in (f"{word}s", f"{word}es"):
        return True
    stem = _stem(part)
    return len(stem) > 4 and word.startswith(stem) and len(word) - len(stem) <= 3


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    """Return a word without the endings by which its forms differ."""
    for ending in ("ing", "ism", "ist", "ies", "ness", "es", "ed", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) > 3:
            return word.removesuffix(ending)
    return word


def _part_in(words: tuple[str, ...], item: KnowledgeItem, given: frozenset[str]) -> str:
    for part in distinctive(item.subject_name):
        if part in given or _stem(part) in given:
            continue
        for word in words:
            if word not in given and _alike(word, part):
                return word
    return ""


def distinctive(name: str) -> list[str]:
    """Return the words of a name that tell which one it is: 'eiffel' of 'Eiffel Tower'."""
    words = tokens(bare_name(name))
    return [
        word
        for word in words
        if word not in _SMALL
        and word not in _GENERIC
        and word.removesuffix("s") not in _GENERIC
        and (len(word) > 3 or (len(words) == 1) or any(char.isdigit() for char in word))
        and not re.fullmatch(r"\d{1,2}|1\d\d\d|20\d\d|\d+(?:st|nd|rd|th)", word)
    ]


def _initials_in(text: str, item: KnowledgeItem) -> str:
    words = re.findall(r"\w+", bare_name(item.subject_name))
    capitals = "".join(word[0] for word in words if word[:1].isupper())
    every = "".join(word[0] for word in words).upper()
    for letters in {capitals, every}:
        if len(letters) > 1 and len(capitals) > 1 and letters not in _ERAS:
            pattern = r"(?<!\w)" + r"\.?\s?".join(letters) + r"(?!\w)"
            found = re.search(pattern, text)
            if found and not re.fullmatch(r"[A-Z]\s[A-Z].*", found[0]):
                return found[0]
    return ""


def without_name(text: str, item: KnowledgeItem) -> str:
    """Return a text's words without the subject's name, for comparing what is said about it."""
    words, name = list(tokens(text)), tokens(bare_name(item.subject_name))
    kept: list[str] = []
    while words:
        if name and tuple(words[: len(name)]) == name:
            del words[: len(name)]
        else:
            kept.append(words.pop(0))
    return " ".join(kept)


def entity_named(item: KnowledgeItem) -> Iterator[Finding]:
    """The edited text says what it is about: an entity's first sentence ties the picture to the name.

    MMKE-Bench: 'The <type> in the image corresponds to <name>.'
    """
    bare = bare_name(item.subject_name)
    name, text = tokens(bare), item.edited_text
    if not name:  # '!!!' is a band
        named, detail = bare in text, "the edited text does not name its subject"
    elif item.edit_type is EditType.VISUAL_ENTITY:
        form = re.match(r"The .{1,80}? in the image corresponds to (.{1,200})", text)
        named = form is not None and holds_run(tokens(form[1])[: len(name) + 4], name)
        detail = "the edited text does not begin with 'The <type> in the image corresponds to <name>.'"
    else:
        named = bool(_run_in(tokens(text), name)) or folded(bare) in folded(text)
        detail = "the edited text does not name its subject"
    if not named:
        yield Finding(
            check="entity_named",
            reason=Reason.ENTITY_NOT_NAMED,
            probe_id=None,
            detail=detail,
            span=plain(bare),
        )


def user_named(item: KnowledgeItem) -> Iterator[Finding]:
    """A user tells who they are, and questions without a picture say whose thing they ask about.

    MMKE-Bench: 'My name is <user>, could you introduce the <item> in the image?'
    """
    user = tokens(item.user_name or "")
    if not user:
        return
    asked: list[tuple[str | None, str, str]] = [(None, "the request", item.request)]
    asked += [(probe.probe_id, "the question", probe.question) for probe in item.probes_of(ProbeKind.T_REL)]
    for probe_id, where, text in asked:
        if not holds_run(tokens(text), user):
            yield Finding(
                check="user_named",
                reason=Reason.QUESTION_NOT_SOUND,
                probe_id=probe_id,
                detail=f"{where} does not name the user",
                span=plain(text),
            )


def text_names(item: KnowledgeItem) -> Iterator[Finding]:
    """A reliability question without a picture says what it asks about: the name or a telling part of it."""
    name = bare_name(item.subject_name)
    stems = {_stem(word)[:5] for word in tokens(name) if word not in _SMALL}
    given = tokens(item.fine_type)
    for probe in item.probes_of(ProbeKind.T_REL):
        words = tokens(probe.question)
        told = (not stems and name in probe.question) or any(
            word == stem
            or (len(stem) > 2 and word.startswith(stem))
            or (len(word) > 2 and stem.startswith(word))
            for stem in stems
            for word in words
        )
        owned = (
            item.user_name is not None
            and holds_run(words, tokens(item.user_name))
            and set(given) & set(words)
        )
        if not told and not owned:
            yield Finding(
                check="text_names",
                reason=Reason.QUESTION_NOT_SOUND,
                probe_id=probe.probe_id,
                detail=f"the question has no picture and does not say what it asks about ({plain(name)})",
                span=plain(probe.question),
            )
