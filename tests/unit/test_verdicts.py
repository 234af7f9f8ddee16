"""The rules of review, row by row of the table in resolve."""

from __future__ import annotations

from typing import Any

import pytest

from curation.errors import Reason
from curation.records import Annotation, KnowledgeItem, ProbeVote, Verdict, VerdictState
from curation.reviewing.forms import Form, parse
from curation.reviewing.verdicts import counted, earlier_votes, resolve
from tests.review_samples import PROBES, item, raw

ITEM = item()


def probes(**said: dict[str, Any]) -> tuple[ProbeVote, ...]:
    """Return ok for every probe but those named (T_Rel for T-Rel)."""
    votes = []
    for probe in PROBES:
        other = said.get(probe.probe_id.replace("-", "_"), {"verdict": "ok"})
        votes.append(ProbeVote(probe_id=probe.probe_id, **other))
    return tuple(votes)


def form(decision: str = "approve", **values: Any) -> Form:
    reasons = () if decision == "approve" else ("ambiguous",)
    return Form(**({"decision": decision, "probes": probes(), "reasons": reasons} | values))


def vote(
    filled: Form | None, who: str, number: int, queue: str = "review", of: KnowledgeItem = ITEM
) -> Annotation:
    read = parse(raw(filled, of, f"{who}@example.org", queue, number), "0" * 64)
    assert isinstance(read, Annotation)
    return read


def verdict(*forms: Form | None, third: Form | None = None) -> Verdict | None:
    """Return what resolve makes of these reviews, one a person, and of an adjudication."""
    votes = [vote(filled, f"a{number}", number) for number, filled in enumerate(forms, start=1)]
    if third:
        votes.append(vote(third, "judge", 50, "adjudication"))
    return resolve(ITEM, votes)


def decided(*forms: Form | None, third: Form | None = None) -> Verdict:
    result = verdict(*forms, third=third)
    assert result is not None
    return result


QUESTION = {"verdict": "fix", "question": "In which city is the tower?"}
ANSWER = {"verdict": "fix", "answer": "Milan"}
DROP = {"verdict": "drop"}


def test_two_approvals_approve_the_item_unchanged() -> None:
    result = decided(form(), form())
    assert (result.state, result.item, result.changed, result.reasons) == (
        VerdictState.APPROVED,
        ITEM,
        (),
        (),
    )
    assert result.annotators == ("a1@example.org", "a2@example.org")


@pytest.mark.parametrize("forms", [(), (form(),), (form(), None)])
def test_fewer_than_two_votes_are_pending(forms: tuple[Form | None, ...]) -> None:
    assert verdict(*forms) is None


def test_a_fix_is_applied_and_named() -> None:
    result = decided(form(), form("revise", probes=probes(T_Rel=QUESTION)))
    assert (result.state, result.changed) == (VerdictState.FIXED, ("probes.T-Rel.question",))
    assert result.item is not None
    assert result.item.probes[0].question == "In which city is the tower?"
    assert result.item.item_id == ITEM.item_id
    assert result.item.probes[1:] == ITEM.probes[1:]


def test_fixes_of_both_are_put_together() -> None:
    fixed = "The tower stands in Rome and is made of shiny brass."
    result = decided(form(edited="fix", edited_fix=fixed), form(probes=probes(T_Rel=QUESTION)))
    assert result.changed == ("edited_text", "probes.T-Rel.question")
    assert result.item is not None
    assert result.item.edited_text == fixed


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (form(), form("reject")),
        (form(), form(edited="wrong")),
        (form(), form(bad_images=("edit",))),
        (form(), form(probes=probes(T_Rel=DROP))),
        (form(), form(probes=probes(Port_2=DROP))),
        (form(), form("revise")),
        (form(), form(edited="fix", edited_fix=ITEM.edited_text)),
        (
            form(probes=probes(T_Rel=QUESTION)),
            form(probes=probes(T_Rel={"verdict": "fix", "question": "Where?"})),
        ),
    ],
)
def test_votes_that_do_not_go_together_are_disputed(first: Form, second: Form) -> None:
    result = decided(first, second)
    assert (result.state, result.item) == (VerdictState.DISPUTED, None)
    assert result.reasons[0] == Reason.REVIEWERS_DISAGREE


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (form("reject"), form("reject")),
        (form(bad_images=("locality",)), form(bad_images=("locality",))),
        (form(probes=probes(I_Gen=DROP)), form(probes=probes(I_Gen=DROP))),
        (form("reject"), form("revise")),
    ],
)
def test_what_nobody_finds_usable_is_rejected(first: Form, second: Form) -> None:
    result = decided(first, second)
    assert (result.state, result.item) == (VerdictState.REJECTED, None)
    assert result.reasons[0] == Reason.REVIEWERS_REJECTED


def test_reasons_of_a_rejection_are_kept() -> None:
    result = decided(form("reject"), form("revise"))
    assert result.reasons == (Reason.REVIEWERS_REJECTED, "ambiguous", Reason.REVISION_ASKED)


def test_a_spare_probe_that_both_drop_is_removed() -> None:
    result = decided(form(probes=probes(Port_2=DROP)), form(probes=probes(Port_2=DROP)))
    assert (result.state, result.changed) == (VerdictState.FIXED, ("probes.Port-2 removed",))
    assert result.item is not None
    assert [probe.probe_id for probe in result.item.probes] == [probe.probe_id for probe in PROBES[:-1]]


@pytest.mark.parametrize(
    ("fix", "reason"),
    [
        (form(edited="fix", edited_fix="The tower stands there."), Reason.ANSWER_NOT_IN_EDITED_TEXT),
        (form(probes=probes(T_Rel=ANSWER)), Reason.ANSWER_NOT_IN_EDITED_TEXT),
        (form(original="fix", original_fix="It stands in Paris."), Reason.ORIGINAL_ANSWER_NOT_IN_TEXT),
        (
            form(original="fix", original_fix=ITEM.original_text + " Not in Rome."),
            Reason.ANSWER_IN_ORIGINAL_TEXT,
        ),
        (form(original="fix", original_fix=ITEM.edited_text), Reason.NOT_COUNTERFACTUAL),
        (form(probes=probes(I_Rel={"verdict": "fix", "answer": "Rome"})), Reason.SAME_RELIABILITY_ANSWER),
        (
            form(probes=probes(I_Rel={"verdict": "fix", "question": "What is the Eiffel tower made of?"})),
            Reason.NAME_LEAKED,
        ),
    ],
)
def test_a_fix_that_adds_a_fault_is_disputed_and_by_a_judge_rejected(fix: Form, reason: Reason) -> None:
    result = decided(form(), fix)
    assert result.state is VerdictState.DISPUTED
    assert reason in result.reasons
    result = decided(form(), form("reject"), third=fix)
    assert result.state is VerdictState.REJECTED
    assert reason in result.reasons


def test_text_and_answer_fixed_together_are_consistent() -> None:
    both = form(
        edited="fix",
        edited_fix=ITEM.edited_text.replace("Rome", "Milan"),
        probes=probes(T_Rel=ANSWER),
    )
    assert decided(form(), both).state is VerdictState.FIXED


@pytest.mark.parametrize(
    ("third", "state"),
    [
        (form(), VerdictState.APPROVED),
        (form("revise", probes=probes(T_Rel=QUESTION)), VerdictState.FIXED),
        (form("reject"), VerdictState.REJECTED),
    ],
)
def test_an_adjudication_decides_a_dispute(third: Form, state: VerdictState) -> None:
    result = decided(form(), form("reject"), third=third)
    assert result.state is state
    assert "judge@example.org" in result.annotators


def test_an_adjudication_does_not_overrule_agreement() -> None:
    assert decided(form(), form(), third=form("reject")).state is VerdictState.APPROVED


def test_a_later_vote_replaces_the_earlier_in_any_order() -> None:
    votes = [vote(form("reject"), "a", 1), vote(form(), "b", 2), vote(form(), "a", 3)]
    for given in (votes, votes[::-1]):
        result = resolve(ITEM, given)
        assert result is not None
        assert result.state is VerdictState.APPROVED


def test_a_skip_takes_the_earlier_vote_back() -> None:
    votes = [vote(form("reject"), "a", 1), vote(form(), "b", 2), vote(None, "a", 3)]
    assert resolve(ITEM, votes) is None


def test_votes_on_another_revision_are_stale() -> None:
    old = item(edited_text="An older text of Rome and brass.")
    votes = [vote(form(), "a", 1, of=old), vote(form(), "b", 2)]
    assert resolve(ITEM, votes) is None
    kept, refused = counted(ITEM, votes)
    assert [entry.annotator for entry in kept] == ["b@example.org"]
    assert [entry.reason for entry in refused] == [Reason.STALE_ANNOTATION]


def test_votes_on_other_items_are_nobodys_business() -> None:
    assert counted(ITEM, [vote(form(), "a", 1, of=item("itm-2"))]) == ((), ())


def test_votes_with_tampered_probes_are_refused() -> None:
    forged = vote(form(), "a", 1).model_copy(update={"probe_votes": probes()[:3]})
    kept, refused = counted(ITEM, [forged])
    assert kept == ()
    assert refused[0].reason is Reason.MALFORMED_ANNOTATION


def test_earlier_votes_are_told_without_names() -> None:
    votes = [vote(form("revise", probes=probes(T_Rel=QUESTION)), "ada", 1), vote(form(), "ben", 2)]
    lines = earlier_votes(ITEM, votes)
    assert lines[0] == (
        "revise; left ok, right ok; T-Rel fix; "
        'T-Rel question to read "In which city is the tower?"; ambiguous'
    )
    assert lines[1] == "approve; left ok, right ok"
    assert "ada" not in "".join(lines)
