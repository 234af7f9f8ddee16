"""What human verification changed: counted by hand, on votes that are read as Label Studio gives them."""

from __future__ import annotations

from curation.records import Annotation, KnowledgeItem, ProbeVote
from curation.reviewing.disagreements import disagreements
from curation.reviewing.effect import effect, paces, share
from curation.reviewing.forms import Form, parse
from curation.reviewing.verdicts import resolve
from tests.review_samples import PROBES, item, raw


def vote(
    of: KnowledgeItem, who: str, number: int, decision: str = "approve", answer: str | None = None
) -> Annotation:
    said = [ProbeVote(probe_id=probe.probe_id, verdict="ok") for probe in of.probes]
    if answer:
        said[0] = ProbeVote(probe_id=said[0].probe_id, verdict="fix", answer=answer)
    reasons = () if decision == "approve" else ("other",)
    read = parse(raw(Form(decision, tuple(said), reasons=reasons), of, who, "review", number), "0" * 64)
    assert isinstance(read, Annotation)
    return read


def test_every_item_is_in_one_state_and_fixes_are_counted_by_place() -> None:
    good, fixed, waiting = item("itm-1"), item("itm-2"), item("itm-3")
    votes = [vote(good, "a@x.org", 1), vote(good, "b@x.org", 2)]
    votes += [
        vote(fixed, who, 3 + n, "revise", "the city of Rome") for n, who in enumerate(("a@x.org", "b@x.org"))
    ]
    verdicts = [found for one in (good, fixed) if (found := resolve(one, votes))]
    said = effect([good, fixed, waiting], verdicts, votes)
    assert sum(said.states.values()) == 3
    assert said.states["waiting"] == 1
    assert said.changed.part == said.states["fixed"] + said.states["rejected"]
    assert said.votes["T-Rel"]["fix"] == 2
    assert said.faulted.part == 2


def test_an_answer_that_was_true_before_the_edit_is_told_apart() -> None:
    probes = (PROBES[0].model_copy(update={"answer": "Paris"}), *PROBES[1:])
    wrong = item("itm-1").model_copy(update={"probes": probes})
    said = effect([wrong], [], [vote(wrong, "a@x.org", 1, "revise", "Rome")])
    assert (said.faulted.part, said.still_original.part) == (1, 1)
    right = item("itm-2")
    said = effect([right], [], [vote(right, "a@x.org", 2, "revise", "the city of Rome")])
    assert (said.faulted.part, said.still_original.part) == (1, 0)


def test_votes_on_another_wording_do_not_count() -> None:
    now = item("itm-1").model_copy(update={"edited_text": "The tower stands in Rome since 1900."})
    said = effect([now], [], [vote(item("itm-1"), "a@x.org", 1, "revise", "Milan")])
    assert (said.states["waiting"], said.faulted.whole) == (1, 0)


def test_a_share_has_wilsons_interval() -> None:
    found = share(8, 10)
    assert found.value == 0.8
    assert (round(found.low or 0, 3), round(found.high or 0, 3)) == (0.490, 0.943)
    assert share(0, 0).value is None


def test_hasty_votes_are_counted_against_everybodys_median() -> None:
    votes = [
        vote(item(f"itm-{n}"), "a@x.org" if n else "b@x.org", n).model_copy(update={"lead_time": seconds})
        for n, seconds in enumerate((2.0, 30.0, 40.0, 50.0))
    ]
    everybody, ann, ben = paces(votes, {one.annotation_id: one.annotator for one in votes})
    assert (everybody.votes, everybody.median, everybody.hasty) == (4, 35.0, 1)
    assert (ann.hasty, ben.hasty) == (0, 1)


def test_the_items_on_which_people_differ_most_come_first() -> None:
    one, two, same = item("itm-1"), item("itm-2"), item("itm-3")
    votes = [vote(one, "a@x.org", 1), vote(one, "b@x.org", 2, "revise", "Milan")]
    votes += [vote(two, "a@x.org", 3), vote(two, "b@x.org", 4, "reject")]
    votes += [vote(same, "a@x.org", 5), vote(same, "b@x.org", 6)]
    first, second = disagreements([one, two, same], votes, 5)
    assert [first.item.item_id, second.item.item_id] == ["itm-1", "itm-2"]
    assert [row.said for row in first.differences][-1] == ("ok", "fix: Milan")
    assert disagreements([one, two], votes, 1) == [first]
