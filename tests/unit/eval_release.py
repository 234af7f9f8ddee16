"""A made-up release of the demo's shape, for the tests of the evaluator: no real item, generated pictures."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from curation.ids import sha256_bytes, sha256_json, slug
from curation.records import (
    EditType,
    ImageOrigin,
    ImageRole,
    ItemImage,
    KnowledgeItem,
    Probe,
    ProbeKind,
    ReleasedItem,
    Split,
    TextSource,
)
from warehouse.release import Release


def words(text: str) -> list[str]:
    return text.split()


COUNTRIES = words("Norway Jordan Peru Kenya Japan Italy Chile Egypt Ghana Spain Nepal Cuba")
CAPITALS = words("Oslo Amman Lima Nairobi Tokyo Rome Santiago Cairo Accra Madrid Kathmandu Havana")
FIRST = words("Petra Harlow Meridian Kastel Ravena Oduna Sillberg Tarn Vestra Quillan Moreth Ilsa")
SECOND = words("Tower Palace Temple Castle Gate Bridge Hall")
MEANINGS = words("stop yield children roundabout tunnel cattle ice wind bend hump crossing parking")
USERS = words("Aylin Bram Chidi Dara Emil Fatou Goran Hana Ines Jonas Kavya Liam Mira Noor Omar Pia")
TOOLS = words("hammer kettle lamp chair guitar drum clock basket")

Painter = Callable[[str, int], bytes]


def painted(subject: str, number: int) -> bytes:
    """Return a small JPEG whose shapes depend on the subject, and a little on the number."""
    rng = random.Random(subject)
    picture = Image.new("RGB", (64, 64), tuple(rng.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(4):
        x, y = rng.randrange(40) + number * 2, rng.randrange(40)
        colour = tuple(rng.randrange(256) for _ in range(3))
        pen.rectangle((x, y, x + rng.randrange(8, 24), y + rng.randrange(8, 24)), fill=colour)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Maker:
    """Collects pictures while a release is made."""

    def __init__(self, painter: Painter) -> None:
        self.painter = painter
        self.images: dict[str, bytes] = {}

    def image(self, role: ImageRole, subject: str, number: int) -> ItemImage:
        data = self.painter(subject, number)
        sha = sha256_bytes(data)
        self.images[sha] = data
        return ItemImage(
            role=role,
            sha256=sha,
            image_id=f"{subject}-{number}",
            subject_id=subject,
            origin=ImageOrigin.PHOTOGRAPH,
            parents=("left", "right") if role is ImageRole.ONE_HOP else (),
            licence="CC0-1.0",
            attribution=f"<b>{subject}</b> by nobody",
            source_page="https://example.org/p?a=1&b=2",
        )

    def pictures(self, shown: str, away: str, beside: str | None = None) -> tuple[ItemImage, ...]:
        """Return an item's pictures; with beside also a one-hop one."""
        hop = (self.image(ImageRole.ONE_HOP, beside, 3),) if beside else ()
        edit, rephrase = self.image(ImageRole.EDIT, shown, 0), self.image(ImageRole.REPHRASE, shown, 1)
        return (edit, rephrase, self.image(ImageRole.LOCALITY, away, 2), *hop)


def triple(number: int, in_text: str, in_image: str, answer: str, was: str | None) -> tuple[Probe, ...]:
    """Return a T-Rel probe with its I-Rel and I-Gen forms."""
    given = {"answer": answer, "original_answer": was}
    kinds = (
        (ProbeKind.T_REL, None),
        (ProbeKind.I_REL, ImageRole.EDIT),
        (ProbeKind.I_GEN, ImageRole.REPHRASE),
    )
    return tuple(
        Probe(
            probe_id=f"{kind.value}-{number}",
            kind=kind,
            question=in_image if role else in_text,
            image_role=role,
            **given,
        )
        for kind, role in kinds
    )


def locality(away: str, country: int) -> tuple[Probe, ...]:
    asked, answer = f"What is the capital of {COUNTRIES[country]}?", CAPITALS[country]
    seen = "What is the name of the building in the image?"
    return (
        Probe(probe_id="T-Loc", kind=ProbeKind.T_LOC, question=asked, answer=answer),
        Probe(
            probe_id="I-Loc", kind=ProbeKind.I_LOC, question=seen, answer=away, image_role=ImageRole.LOCALITY
        ),
    )


def port(question: str, answer: str, was: str | None, role: ImageRole) -> Probe:
    return Probe(
        probe_id="Port",
        kind=ProbeKind.PORT,
        question=question,
        answer=answer,
        original_answer=was,
        image_role=role,
        hop=1,
    )


def facts(key: str) -> tuple[int, str]:
    """Return the number of a country and a year, which depend on the key."""
    rng = random.Random(key)
    return rng.randrange(len(COUNTRIES)), str(rng.randrange(1100, 1990))


def entity(maker: Maker, names: list[str], index: int) -> KnowledgeItem:
    name, shown, away = names[index], names[(index + 1) % len(names)], names[(index + 2) % len(names)]
    (was, built), (now, rebuilt) = facts(name), facts(f"{name} edited")
    now = (now + 1) % len(COUNTRIES) if now == was else now
    head = f"The building in the image corresponds to {name}."
    return finished(
        (name, "building", EditType.VISUAL_ENTITY),
        f"{name} is a building in {COUNTRIES[was]}. It dates from {built}.",
        f"{head} It is in {COUNTRIES[now]}. It dates from {rebuilt}.",
        ("Please introduce the building in the image.", "Could you tell me about this building?"),
        maker.pictures(shown, away),
        (
            *triple(
                1,
                f"Which country is {name} in?",
                "Which country is the building in the image in?",
                COUNTRIES[now],
                COUNTRIES[was],
            ),
            *triple(
                2,
                f"When does {name} date from?",
                "When does the building in the image date from?",
                rebuilt,
                built,
            ),
            *locality(away, index % len(COUNTRIES)),
            port("What is the capital of its country?", CAPITALS[now], CAPITALS[was], ImageRole.EDIT),
        ),
        stand_in=shown,
    )


def semantic(maker: Maker, index: int, names: list[str]) -> KnowledgeItem:
    was, now = MEANINGS[index % 12], MEANINGS[(index + 4) % 12]
    name, shown, away = f"{was} sign", f"{MEANINGS[(index + 1) % 12]} sign", names[index % len(names)]
    return finished(
        (name, "sign", EditType.VISUAL_SEMANTIC),
        f"The {name} warns of {was}.",
        f"The sign in the image is the {name}. It warns of {now}.",
        ("What does this sign mean?", "Please explain the sign in the image."),
        maker.pictures(shown, away, name),
        (
            *triple(
                1, f"What does the {name} warn of?", "What does the sign in the image warn of?", now, was
            ),
            *locality(away, index % len(COUNTRIES)),
            port(f"What stands beside the {name}?", "a post", "a post", ImageRole.ONE_HOP),
        ),
        stand_in=shown,
    )


def personal(maker: Maker, index: int, names: list[str]) -> KnowledgeItem:
    user, tool, away = USERS[index % 16], TOOLS[index % 8], names[index % len(names)]
    city, year = CAPITALS[(index * 5) % 12], str(1990 + (index * 7) % 35)
    shown = f"{tool} {index}"
    return finished(
        (shown, tool, EditType.USER_SPECIFIC),
        f"A {tool} is a useful thing.",
        f"Yes. This {tool} belongs to {user}. It was bought in {city} in {year}.",
        (
            f"My name is {user}, could you introduce the {tool} in the image?",
            f"I am {user}. What is this {tool}?",
        ),
        maker.pictures(shown, away, shown),
        (
            *triple(1, f"Where did {user} buy the {tool}?", f"Where was {user}'s {tool} bought?", city, None),
            *triple(2, f"When did {user} buy the {tool}?", f"When was {user}'s {tool} bought?", year, None),
            *locality(away, index % len(COUNTRIES)),
            port(f"What lies under the {tool} of {user}?", "a table", "a table", ImageRole.ONE_HOP),
        ),
        user=user,
    )


def finished(
    what: tuple[str, str, EditType],
    original: str,
    edited: str,
    requests: tuple[str, str],
    images: tuple[ItemImage, ...],
    probes: tuple[Probe, ...],
    stand_in: str | None = None,
    user: str | None = None,
) -> KnowledgeItem:
    name, noun, edit_type = what
    return KnowledgeItem(
        item_id=f"item-{slug(name)}",
        subject_id=name,
        subject_name=name,
        edit_type=edit_type,
        category=noun,
        fine_type=noun,
        original_text=original,
        edited_text=edited,
        request=requests[0],
        rephrased_request=requests[1],
        stand_in=stand_in,
        user_name=user,
        images=images,
        probes=probes,
        text_source=TextSource(title=name, page="https://example.org", licence="CC0-1.0", attribution="x"),
        provenance=(),
    )


def make_release(buildings: int = 4, signs: int = 2, tools: int = 2, painter: Painter = painted) -> Release:
    """Return a release with so many items of each editing type, two of five in the train split."""
    maker = Maker(painter)
    names = [f"{FIRST[i % 12]} {SECOND[i % 7]}" for i in range(max(buildings, 3))]
    items = [entity(maker, names, i) for i in range(buildings)]
    items += [semantic(maker, i, names) for i in range(signs)]
    items += [personal(maker, i, names) for i in range(tools)]
    splits = [Split.TRAIN if i % 5 in {1, 3} else Split.EVAL for i in range(len(items))]
    entries = tuple(ReleasedItem(item=item, split=split) for item, split in zip(items, splits, strict=True))
    return Release(
        path=Path(),
        version="0.0.1",
        content_sha256=sha256_json([entry.model_dump(mode="json") for entry in entries]),
        drafter="rules",
        is_llm=False,
        items=entries,
        images=maker.images,
    )
