"""How a subject is spoken of: with or without article, singular or plural, by name or as what is shown."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from curation.drafting.mining.kinds import family as family_for

_ALWAYS_THE = frozenset({"animal", "item", "instrument"})
_LOWER = frozenset(
    {
        "animal",
        "item",
        "action",
        "colour",
        "shape",
        "plant",
        "instrument",
        "dish",
        "mineral",
        "emotion",
        "game",
    }
)
_NO_PLURAL = ("ss", "us", "os", "is")
_PLURAL = re.compile(r"\b(?:Mountains|Alps|Andes|Falls|Islands|Carpathians|Pyrenees|Rockies|Himalayas)$")
_LATIN = re.compile(r"(?:idae|inae|formes|ptera|aceae|oidea)$")
_HE, _SHE = re.compile(r"\b(?:he|his|him)\b", re.IGNORECASE), re.compile(r"\b(?:she|her)\b", re.IGNORECASE)
_TAKES_THE = frozenset({"United States", "United Kingdom", "United Arab Emirates", "Netherlands"})
_FORMS = {
    "is": ("is", "are"),
    "was": ("was", "were"),
    "does": ("does", "do"),
    "has": ("has", "have"),
    "It": ("It", "They"),
    "it": ("it", "them"),
    "Its": ("Its", "Their"),
    "live": ("lives", "live"),
    "stand": ("stands", "stand"),
    "eat": ("eats", "eat"),
    "weigh": ("weighs", "weigh"),
    "belong": ("belongs", "belong"),
    "make": ("makes", "make"),
    "consist": ("consists", "consist"),
    "come": ("comes", "come"),
    "like": ("likes", "like"),
}


_PRONOUNS = {"he": ("He", "him", "His"), "she": ("She", "her", "Her")}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A subject inside a sentence: 'the koala', 'Petra', 'the building in the image'.

    pronoun: 'he', 'she', 'it', or 'name' for a person of whom that is not known.
    """

    text: str
    plural: bool = False
    pronoun: str = "it"

    def fill(self, template: str, **values: str) -> str:
        """Return a template of slots.toml with {x}, the verb forms, {v}, {a_v} and more filled in."""
        forms = {key: pair[self.plural] for key, pair in _FORMS.items()} | {"it_name": self.text}
        if self.pronoun != "it":
            own = _PRONOUNS.get(self.pronoun, (self.text, self.text, f"{self.text}'s"))
            forms |= dict(zip(("It", "it", "Its"), own, strict=True))
        if "v" in values:
            values["a_v"] = with_article(values["v"])
            values["v"] = f"the {values['v']}" if values["v"] in _TAKES_THE else values["v"]
        filled = template.format(x=self.text, **forms, **values)
        return filled[:1].upper() + filled[1:]


def bare_name(name: str) -> str:
    """Return a title without its disambiguation: 'Mercury (planet)' is 'Mercury'."""
    return re.sub(r"\s*\([^)]*\)\s*$", "", name) or name


def names(sentence: str, name: str) -> bool:
    """Tell whether a sentence names a subject: wholly, in the plural, or by its longest proper word."""
    plain, wanted = _folded(sentence), _folded(bare_name(name))
    stem = wanted[:-1] if wanted.endswith(("s", "y")) else wanted
    if stem.lower() in plain.lower():
        return True
    longest, last = max(wanted.split(), key=len), wanted.split()[-1]
    if len(longest) > 5 and longest[:1].isupper() and longest in plain:
        return True
    return len(last) > 3 and last[:1].isupper() and re.search(rf"\b{re.escape(last)}\b", plain) is not None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def with_article(noun: str) -> str:
    """Return a noun with a or an."""
    return ("an " if noun[:1].lower() in "aeiou" else "a ") + noun


def is_plural(name: str, family: str) -> bool:
    """Tell whether a name is a plural ('Scissors'); proper names count as singular."""
    lower = name.lower()
    if family == "landform":
        return _PLURAL.search(name) is not None
    return family in ("item", "animal") and lower.endswith("s") and not lower.endswith(_NO_PLURAL)


def named(name: str, category: str, source_text: str, fine_type: str = "") -> Phrase:
    """Return how a text question names a subject, with the article that its source text uses."""
    family = family_for(category, fine_type, source_text)
    name = bare_name(name)
    if family == "person":
        return Phrase(name, pronoun=_pronoun(source_text))
    plural = is_plural(name, family)
    many = re.match(rf"{re.escape(name)}(?:s|es)\b", source_text, re.IGNORECASE)
    if many is not None and family in _LOWER and family not in _ALWAYS_THE:
        return Phrase(f"the {name.lower()}")
    common = re.search(rf"\b[Aa]n? {re.escape(name.lower())}\b", source_text[:200]) is not None
    if (family in _LOWER or common) and not _proper(name, source_text):
        name = name.lower()
    if name.startswith("The "):
        return Phrase("the " + name[4:], plural or family == "group")
    if family == "colour":
        return Phrase(f"the colour {name}")
    if family == "shape":
        return Phrase(with_article(name))
    takes_the = (
        (family in _ALWAYS_THE and not name[:1].isupper())
        or common
        or re.search(rf"\b[Tt]he {re.escape(name)}\b(?! [a-z]*(?:family|genus|order)\b)", source_text[:400])
    )
    if family in ("action", "style", "emotion"):
        takes_the = re.match(rf"The {re.escape(name)}\b", source_text, re.IGNORECASE)
    if takes_the:
        return Phrase(f"the {name}", plural)
    return Phrase(name, plural)


def _pronoun(text: str) -> str:
    """Return the pronoun that a text about a person uses most, 'name' when it uses none."""
    he, she = len(_HE.findall(text)), len(_SHE.findall(text))
    return "name" if he == she else "he" if he > she else "she"


def shown(fine_type: str) -> Phrase:
    """Return how an image question speaks of what is shown, without naming it."""
    return Phrase(f"the {fine_type} in the image")


def _proper(name: str, source_text: str) -> bool:
    """Tell whether the source writes a name with a capital inside sentences, as in 'the Komodo dragon'."""
    inside = re.search(rf"[a-z,] {re.escape(name)}\b", source_text)
    if f" {name.lower()}" in source_text:
        return False
    return inside is not None or _LATIN.search(name) is not None
