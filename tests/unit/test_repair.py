"""From which step a draft is made again, and what that step is told."""

from __future__ import annotations

import pytest

from curation.drafting.checks.finding import Finding
from curation.drafting.repair import (
    KeptDraft,
    Redraft,
    Step,
    is_worth_another,
    redraft_for,
    redrafts_after,
    step_of,
    step_of_prompt,
)
from curation.errors import Reason
from tests.samples import make_item

ITEM = make_item(1)


def finding(reason: Reason, probe_id: str | None = None, span: str = "") -> Finding:
    return Finding(check="a check", reason=reason, probe_id=probe_id, detail=f"wrong: {reason}", span=span)


def kept(**values: object) -> KeptDraft:
    about = {"item_id": ITEM.item_id, "subject_id": ITEM.subject_id, "edit_type": ITEM.edit_type}
    about |= {"category": ITEM.category, "draw": 0, "item": None, "reason": None, "inputs_sha256": "0" * 64}
    return KeptDraft.model_validate(about | values)


def probe_of(kind: str) -> str:
    return next(probe.probe_id for probe in ITEM.probes if probe.kind == kind)


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (finding(Reason.NOT_ONE_HOP, probe_of("Port")), Step.PORTABILITY),
        (finding(Reason.LOCALITY_NOT_UNRELATED, probe_of("I-Loc")), Step.LOCALITY),
        (finding(Reason.HOSTILE_CONTENT, probe_of("T-Loc")), Step.LOCALITY),
        (finding(Reason.NAME_LEAKED, probe_of("I-Rel")), Step.QUESTIONS),
        (finding(Reason.ANSWER_IN_ORIGINAL_TEXT, probe_of("T-Rel")), Step.EDITED),
        (finding(Reason.NOT_COUNTERFACTUAL), Step.EDITED),
        (finding(Reason.HOSTILE_CONTENT, span=ITEM.request[:12]), Step.QUESTIONS),
        (finding(Reason.TOO_LONG), Step.EDITED),
    ],
)
def test_a_finding_concerns_the_step_that_wrote_what_is_wrong(found: Finding, step: Step) -> None:
    assert step_of(found, ITEM) is step


def test_each_step_is_told_its_own_faults_and_earlier_ones_stay() -> None:
    before = (Redraft(step=Step.ORIGINAL, draw=1, reason=Reason.TOO_LONG, detail="too long"),)
    port, leak = finding(Reason.NOT_ONE_HOP, probe_of("Port")), finding(Reason.NAME_LEAKED, probe_of("I-Rel"))
    made = kept(item=ITEM, findings=(port, leak), reason=port.reason, redrafts=before, draw=1)
    after = redrafts_after(made, 2)
    assert [(one.step, one.draw, one.reason) for one in after] == [
        (Step.ORIGINAL, 1, Reason.TOO_LONG),
        (Step.QUESTIONS, 2, Reason.NAME_LEAKED),
        (Step.PORTABILITY, 2, Reason.NOT_ONE_HOP),
    ]
    draws = [redraft.draw if (redraft := redraft_for(step, after)) else 0 for step in Step]
    assert draws == [1, 1, 2, 2, 2], "what comes before the fault replays its kept answers"


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.CONTENT_FILTER, Reason.TRUNCATED, Reason.NOT_JSON])
def test_a_refusal_is_not_argued_with(reason: Reason) -> None:
    made = kept(reason=reason, detail="the model declined", step=Step.EDITED)
    assert not is_worth_another(made)
    (again,) = redrafts_after(made, 1)
    assert (again.step, again.draw, again.reason, again.detail) == (Step.EDITED, 1, None, "")


def test_an_answer_that_a_step_cannot_use_is_worth_another() -> None:
    made = kept(reason=Reason.NOT_ONE_HOP, detail="x" * 5_000, step=Step.PORTABILITY)
    assert is_worth_another(made) and not is_worth_another(kept())
    (again,) = redrafts_after(made, 1)
    assert (again.step, again.reason, len(again.detail)) == (Step.PORTABILITY, Reason.NOT_ONE_HOP, 600)


def test_prompts_belong_to_steps() -> None:
    assert step_of_prompt("questions_visual_entity.v2") is Step.QUESTIONS
    assert step_of_prompt("portability_composite.v1") is Step.PORTABILITY
    assert step_of_prompt("judge_edit.v1") is None
