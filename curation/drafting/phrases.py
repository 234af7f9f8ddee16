"""How a subject is spoken of: with or without article, singular or plural, by name or as what is shown."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from curation.drafting.lexicon import family_of

_ALWAYS_THE = frozenset({"animal", "item"})
_LOWER = frozenset({"animal", "item", "action", "colour", "shape"})
_NO_PLURAL = ("ss", "us", "os", "is")
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


@dataclass(frozen=True, slots=True)
class Phrase:
    """A subject inside a sentence: 'the koala', 'Petra', 'the building in the image'."""

    text: str
    plural: bool = False

    def fill(self, template: str, **values: str) -> str:
        """Return a template of slots.toml with {x}, the verb forms, {v}, {a_v} and more filled in."""
        forms = {key: pair[self.plural] for key, pair in _FORMS.items()}
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
    longest = max(wanted.split(), key=len)
    return len(longest) > 5 and longest[:1].isupper() and longest in plain


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def with_article(noun: str) -> str:
    """Return a noun with a or an."""
    return ("an " if noun[:1].lower() in "aeiou" else "a ") + noun


def is_plural(name: str, family: str) -> bool:
    """Tell whether a name is a plural ('Scissors'); proper names count as singular."""
    lower = name.lower()
    return family in ("item", "animal") and lower.endswith("s") and not lower.endswith(_NO_PLURAL)


def named(name: str, category: str, source_text: str) -> Phrase:
    """Return how a text question names a subject, with the article that its source text uses."""
    family = family_of(category)
    name = bare_name(name)
    plural = is_plural(name, family)
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
        family in _ALWAYS_THE or common or re.search(rf"\b[Tt]he {re.escape(name)}\b", source_text[:400])
    )
    if takes_the and family not in ("action", "style"):
        return Phrase(f"the {name}", plural)
    return Phrase(name, plural)


def shown(fine_type: str) -> Phrase:
    """Return how an image question speaks of what is shown, without naming it."""
    return Phrase(f"the {fine_type} in the image")


def _proper(name: str, source_text: str) -> bool:
    """Tell whether the source writes a name with a capital inside sentences, as in 'the Komodo dragon'."""
    inside = re.search(rf"[a-z,] {re.escape(name)}\b", source_text)
    return inside is not None and f" {name.lower()}" not in source_text
