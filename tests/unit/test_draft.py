"""Drafting whole items: the probes of each type, one repair, and outcomes as values."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from curation.drafting.casting import Casting, cast
from curation.drafting.draft import Asking, Drafted, Sources, draft_item
from curation.drafting.outside_texts import FirstOf
from curation.drafting.pools import Pool
from curation.errors import Reason, Rejected, TransientError
from curation.records import ImageRole, KnowledgeItem, ProbeKind
from tests.drafts import RULES, TEXTS, FakeModel, Pictures, body, subject

ALL = {one.subject_id: one for one in map(subject, TEXTS)}


KEPT = Pictures()


def castings(kept: Pictures) -> dict[str, Casting]:
    for key in ALL:
        kept.add(key, 3)
    found = cast(list(ALL.values()), kept.assets, kept.read, kept.save)
    return {key: one for key, one in found.items() if isinstance(one, Casting)}


CAST = castings(KEPT)


def drafted(key: str, model: FakeModel | None = None) -> KnowledgeItem | Rejected:
    sources = Sources(ALL, FirstOf(), Pool(), KEPT.read)
    made = asyncio.run(draft_item(ALL[key], CAST[key], sources, Asking(model or FakeModel(), RULES)))
    if not isinstance(made, Drafted):
        return made.rejected
    if made.findings:
        return Rejected(key, made.findings[0].reason, made.findings[0].detail)
    return made.item


def kinds(item: KnowledgeItem | Rejected) -> list[str]:
    assert isinstance(item, KnowledgeItem), item
    return [probe.probe_id for probe in item.probes]


TWO = ["T-Rel-1", "T-Rel-2", "I-Rel-1", "I-Rel-2", "I-Gen-1", "I-Gen-2", "T-Loc", "I-Loc", "Port"]


@pytest.mark.parametrize(
    ("key", "probes", "port"),
    [
        ("petra", TWO, ImageRole.EDIT),
        ("cubism", ["T-Rel", "I-Rel", "I-Gen", "T-Loc", "I-Loc", "Port"], ImageRole.ONE_HOP),
        ("cat", TWO, ImageRole.ONE_HOP),
    ],
)
def test_an_item_has_the_probes_of_its_type(key: str, probes: list[str], port: ImageRole) -> None:
    item = drafted(key)
    assert kinds(item) == probes
    assert isinstance(item, KnowledgeItem)
    assert item.item_id == f"item-{key}"
    assert item.probes[-1].image_role is port
    assert [one.step.split("_")[0] for one in item.provenance] == ["original", "edited", "questions"]
    assert {(one.drafter, one.is_llm) for one in item.provenance} == {("rules", False)}


def test_generality_asks_the_same_of_another_picture_or_in_other_words() -> None:
    petra, cubism = drafted("petra"), drafted("cubism")
    assert isinstance(petra, KnowledgeItem)
    assert isinstance(cubism, KnowledgeItem)
    for probe, again in zip(petra.probes_of(ProbeKind.I_REL), petra.probes_of(ProbeKind.I_GEN), strict=True):
        assert (probe.question, probe.answer) == (again.question, again.answer)
        assert (probe.image_role, again.image_role) == (ImageRole.EDIT, ImageRole.REPHRASE)
    assert cubism.probes_of(ProbeKind.I_REL)[0].question != cubism.probes_of(ProbeKind.I_GEN)[0].question


def test_a_user_item_is_an_insertion() -> None:
    item = drafted("cat")
    assert isinstance(item, KnowledgeItem)
    assert item.user_name
    assert item.user_name in item.request
    assert [probe.original_answer for probe in item.probes_of(ProbeKind.T_REL)] == [None, None]


def test_the_same_subject_gives_the_same_item() -> None:
    assert drafted("petra") == drafted("petra")


@pytest.mark.parametrize(
    "bad", ["I would rather talk.", '{"original_text": 7}', '{"original_text": "x", "more": 1}']
)
def test_an_answer_that_does_not_fit_is_asked_for_once_more(bad: str) -> None:
    model = FakeModel(body(bad))
    assert isinstance(drafted("petra", model), KnowledgeItem)
    assert len(model.asked) == 4
    assert len({one.request_sha256 for one in model.asked}) == 4


@pytest.mark.parametrize(
    ("bad", "reason"),
    [("I would rather talk.", Reason.NOT_JSON), ('{"original_text": 7}', Reason.SCHEMA_INVALID)],
)
def test_a_second_misfit_is_the_end(bad: str, reason: Reason) -> None:
    model = FakeModel(body(bad), body(bad))
    found = drafted("petra", model)
    assert isinstance(found, Rejected)
    assert (found.key, found.reason, len(model.asked)) == ("petra", reason, 2)
    assert bad not in found.detail


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (body(None, refusal="I cannot do that <b>"), Reason.REFUSED),
        (body("", "content_filter"), Reason.CONTENT_FILTER),
        (body('{"orig', "length"), Reason.TRUNCATED),
    ],
)
def test_refused_and_truncated_are_not_asked_again(answer: dict[str, Any], reason: Reason) -> None:
    model = FakeModel(answer)
    found = drafted("petra", model)
    assert isinstance(found, Rejected)
    assert (found.reason, len(model.asked)) == (reason, 1)
    assert "<" not in found.detail


def test_json_in_a_fence_is_read() -> None:
    text = json.dumps({"original_text": "Petra is in Jordan. It is made of sandstone."})
    assert isinstance(drafted("petra", FakeModel(body(f"```json\n{text}\n```"))), KnowledgeItem)


def test_a_false_draft_is_rejected_with_its_span() -> None:
    first = body(json.dumps({"original_text": "Petra is a city in Jordan, made of sandstone."}))
    change = [
        {"aspect": "country", "original": "Jordan", "edited": "Norway"},
        {"aspect": "material", "original": "sandstone", "edited": "brick"},
    ]
    edit = body(
        json.dumps(
            {"edited_text": "The temple in the image corresponds to Petra. It is brick.", "changes": change}
        )
    )
    found = drafted("petra", FakeModel(first, edit))
    assert isinstance(found, Rejected)
    assert found.reason is Reason.ANSWER_NOT_IN_EDITED_TEXT
    assert "'Norway'" in found.detail


def test_a_model_that_is_away_leaves_the_item_pending() -> None:
    class Away(FakeModel):
        async def complete(self, request: object) -> object:  # type: ignore[override]
            raise TransientError("away")

    with pytest.raises(TransientError):
        drafted("petra", Away())
