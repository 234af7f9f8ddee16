"""Reads labels, descriptions and pictures of Wikidata items by wbgetentities, fifty ids a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curation.collecting.wikimedia.action_api import ActionApi
from curation.collecting.wikimedia.answers import JsonObject, as_dict, as_dicts, as_text
from curation.collecting.wikimedia.plain_text import clean_line

MAX_IDS = 50
_MAX_NAME, _MAX_DESCRIPTION = 200, 300
_MAX_FILES = 20


@dataclass(frozen=True, slots=True)
class Label:
    """What an item is called in English, '' where it has no name there; qid: after redirects."""

    qid: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Shown:
    """Where an item's pictures are: names of files (P18, best first) and a Commons category (P373)."""

    files: tuple[str, ...] = ()
    category: str = ""


class Wikidata:
    """Wikidata's Action API."""

    def __init__(self, api: ActionApi) -> None:
        """Remember the wiki."""
        self._api = api

    async def labels(self, qids: Sequence[str]) -> dict[str, Label]:
        """Return the labels by the id that was asked for; items that do not exist are left out."""
        found: dict[str, Label] = {}
        for at in range(0, len(qids), MAX_IDS):
            chunk = qids[at : at + MAX_IDS]
            entities = await self._entities(chunk, "labels|descriptions")
            found |= {
                asked: Label(
                    as_text(entity.get("id")) or asked,
                    _english(entity, "labels", _MAX_NAME),
                    _english(entity, "descriptions", _MAX_DESCRIPTION),
                )
                for asked, entity in entities.items()
                if asked in chunk
            }
        return found

    async def shown(self, qid: str) -> Shown:
        """Return where the pictures of one item are; nothing when it does not exist."""
        entity = (await self._entities([qid], "claims")).get(qid, {})
        claims = as_dict(entity.get("claims"))
        category = next(iter(_values(claims, "P373")), "")
        return Shown(tuple(_values(claims, "P18")[:_MAX_FILES]), category)

    async def _entities(self, qids: Sequence[str], props: str) -> dict[str, JsonObject]:
        """Return the entities that exist, under their own id and under the one that was redirected to it."""
        params = {"action": "wbgetentities", "ids": "|".join(qids), "props": props}
        # Names that are the same everywhere stand under 'mul': English falls back on them.
        params |= {"languages": "en", "languagefallback": "1"}
        answer = await self._api.ask(params)
        found: dict[str, JsonObject] = {}
        for key, value in as_dict(answer.get("entities")).items():
            entity = as_dict(value)
            if not entity or "missing" in entity:
                continue
            found[key] = entity
            origin = as_text(as_dict(entity.get("redirects")).get("from"))
            if origin:
                found[origin] = entity
        return found


def _english(entity: JsonObject, part: str, limit: int) -> str:
    return clean_line(as_text(as_dict(as_dict(entity.get(part)).get("en")).get("value")), limit)


def _values(claims: JsonObject, prop: str) -> list[str]:
    """Return the strings of a property, preferred ones first; deprecated and unknown values are left out."""
    ranked: dict[str, list[str]] = {"preferred": [], "normal": []}
    for claim in as_dicts(claims.get(prop)):
        value = as_text(as_dict(as_dict(claim.get("mainsnak")).get("datavalue")).get("value")).strip()
        rank = as_text(claim.get("rank")) or "normal"
        if value and rank in ranked:
            ranked[rank].append(value)
    return [*ranked["preferred"], *ranked["normal"]]
