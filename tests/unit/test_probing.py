"""Whether a picture is needed: what a model without it answers, try by try."""

from __future__ import annotations

import asyncio
import json

import pytest

from curation.drafting.judges.probing import needless_pictures, try_without_image
from curation.drafting.llm import LlmRequest, LlmResponse, read_response
from curation.drafting.steps.asking import Asking, DraftSettings
from curation.drafting.steps.prompting import read_block
from curation.errors import Reason, TransientError
from curation.ids import canonical_json
from curation.records import KnowledgeItem
from tests.drafts import body
from tests.labelled_drafts import item_of, rows

GOOD = {row["name"]: item_of(row) for row in rows("good")}
SETTINGS = DraftSettings("blind", "llm", is_llm=True)


class Blind:
    """A model that answers by the question; keeps what it was asked."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[LlmRequest] = []

    async def complete(self, request: LlmRequest) -> LlmResponse:
        await asyncio.sleep(0)
        self.asked.append(request)
        question = str(read_block(request.messages[1].text)["question"])
        said = next((texts for word, texts in self.answers.items() if word in question), ["cannot tell"])
        text = said[request.draw % len(said)]
        return read_response(canonical_json(body(text if "{" in text else json.dumps({"answer": text}))))


def found(item: KnowledgeItem, model: Blind, tries: int = 3) -> list[tuple[str | None, str]]:
    findings = needless_pictures(asyncio.run(try_without_image(item, Asking(model, SETTINGS), tries)))
    assert {one.reason for one in findings} <= {Reason.IMAGE_NOT_NEEDED}
    return [(one.probe_id, one.detail) for one in findings]


def test_a_question_that_is_answered_without_the_picture_is_found_with_its_twin() -> None:
    model = Blind(country=["the norway"])
    assert [probe for probe, _ in found(GOOD["Petra"], model)] == ["I-Rel-1", "I-Gen-1"]
    assert not [request for request in model.asked if any(part.images for part in request.messages)]


@pytest.mark.parametrize("said", [["Jordan"], ["cannot tell"], ["Norway", "cannot tell", "cannot tell"]])
def test_other_answers_and_lucky_ones_need_the_picture(said: list[str]) -> None:
    assert found(GOOD["Petra"], Blind(country=said)) == []


@pytest.mark.parametrize("broken", ["{}", '{"answer": ""}', '{"answer": "a"} {"answer": "b"}'])
def test_what_cannot_be_read_is_unscored(broken: str) -> None:
    item, model = GOOD["Petra"], Blind(country=["Norway", broken, broken])
    tries = asyncio.run(try_without_image(item, Asking(model, SETTINGS), 3))
    one = next(one for one in tries if one.answer == "Norway")
    assert (one.guesses, one.scored, one.matched, one.is_needless) == (("Norway", None, None), 1, 1, False)


def test_each_question_is_asked_as_often_as_wanted_and_number_words_match() -> None:
    model = Blind(engines=["6"])
    assert [probe for probe, _ in found(GOOD["Airbus A380"], model, 2)] == ["I-Rel-1", "I-Gen-1"]
    assert len({request.request_sha256 for request in model.asked}) == len(model.asked) == 2 * 4


def test_a_coin_would_also_know_the_side() -> None:
    assert found(GOOD["Hammer"], Blind(side=["left"])) == []


def test_a_model_that_is_away_leaves_the_item_for_later() -> None:
    class Away(Blind):
        async def complete(self, request: LlmRequest) -> LlmResponse:
            raise TransientError("away")

    with pytest.raises(TransientError):
        found(GOOD["Petra"], Away())
