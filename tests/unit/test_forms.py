"""A vote is read strictly: Label Studio itself stores whatever it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from curation.errors import Reason, Rejected
from curation.records import Annotation, ProbeVote
from curation.reviewing.desk import RawAnnotation
from curation.reviewing.forms import Form, parse
from tests.review_samples import PROBES, item, raw

SHA = "a" * 64
OK = tuple(ProbeVote(probe_id=probe.probe_id, verdict="ok") for probe in PROBES)


def changed(change: Callable[[dict[str, Any]], object]) -> RawAnnotation:
    """Return a good raw annotation after something was done to its payload."""
    good = raw(Form("approve", OK))
    payload = json.loads(good.raw)
    change(payload)
    return replace(good, raw=json.dumps(payload).encode())


def entry(name: str, kind: str, value: object) -> dict[str, Any]:
    return {"from_name": name, "to_name": "x", "type": kind, "value": value}


def added(name: str, kind: str, value: object) -> RawAnnotation:
    return changed(lambda payload: payload["annotation"]["result"].append(entry(name, kind, value)))


def without(name: str) -> RawAnnotation:
    def remove(payload: dict[str, Any]) -> None:
        result = payload["annotation"]["result"]
        result[:] = [control for control in result if control["from_name"] != name]

    return changed(remove)


def instead(name: str, kind: str, value: object) -> RawAnnotation:
    def swap(payload: dict[str, Any]) -> None:
        result = payload["annotation"]["result"]
        result[:] = [control for control in result if control["from_name"] != name]
        result.append(entry(name, kind, value))

    return changed(swap)


def test_a_full_form_comes_back_as_it_was_filled_in() -> None:
    probes = (ProbeVote(probe_id="T-Rel", verdict="fix", question="Where?", answer="Rome"), *OK[1:])
    form = Form(
        "revise", probes, "fix", "ok", "A text.", None, ("edit", "one_hop"), ("ambiguous", "other"), "why"
    )
    vote = parse(raw(form, annotator="ada@example.org", number=7), SHA)
    assert isinstance(vote, Annotation)
    assert (vote.decision, vote.original_verdict, vote.edited_verdict) == ("revise", "fix", "ok")
    assert (vote.original_fix, vote.edited_fix, vote.comment) == ("A text.", None, "why")
    assert vote.probe_votes == probes
    assert (vote.bad_images, vote.reasons) == (("edit", "one_hop"), ("ambiguous", "other"))
    assert (vote.annotation_id, vote.annotator, vote.lead_time) == ("7", "ada@example.org", 12.5)
    assert (vote.task_key, vote.raw_sha256, vote.skipped) == (item().task_key, SHA, False)


def test_a_skip_has_no_verdicts() -> None:
    vote = parse(raw(None), SHA)
    assert isinstance(vote, Annotation)
    assert (vote.skipped, vote.decision, vote.probe_votes) == (True, None, ())


def test_a_text_beside_an_ok_is_ignored() -> None:
    vote = parse(added("q_answer_0", "textarea", {"text": ["Milan"]}), SHA)
    assert isinstance(vote, Annotation)
    assert vote.probe_votes[0] == OK[0]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (replace(raw(Form("approve", OK)), raw=b"{"), "not JSON"),
        (replace(raw(Form("approve", OK)), raw=b"\xff\xfe"), "not JSON"),
        (replace(raw(Form("approve", OK)), raw=b"[" * 100_000), "not JSON"),
        (replace(raw(Form("approve", OK)), raw=b" " * 1_000_001), "bytes"),
        (replace(raw(Form("approve", OK)), annotator="eve@example.org"), "another annotation"),
        (replace(raw(Form("approve", OK)), queue="adjudication"), "another annotation"),
        (changed(lambda p: p["annotation"].update(result=[])), "decision needs one choice and has 0"),
        (changed(lambda p: p["annotation"].update(result={})), "result"),
        (changed(lambda p: p["annotation"].update(id="1")), "annotation.id"),
        (changed(lambda p: p["annotation"].update(lead_time=-1)), "lead_time"),
        (changed(lambda p: p["annotation"].update(was_cancelled="no")), "was_cancelled"),
        (changed(lambda p: p["task"].update(item_id="itm-2")), "not of its item"),
        (changed(lambda p: p["task"].update(probe_ids=None)), "probe_ids"),
        (changed(lambda p: p["task"].update(image_roles=["poster"])), "image_roles"),
        (without("decision"), "decision needs one choice"),
        (without("original_verdict"), "original_verdict needs one choice"),
        (without("edited_verdict"), "edited_verdict needs one choice"),
        (without("q_verdict_3"), "q_verdict_3 needs one choice"),
        (added("q_verdict_7", "choices", {"choices": ["ok"]}), "q_verdict_7 is not in the interface"),
        (added("evil", "choices", {"choices": ["ok"]}), "a control is not in the interface"),
        (added("decision", "choices", {"choices": ["approve"]}), "decision comes twice"),
        (added("comment", "choices", {"choices": ["x"]}), "another type"),
        (added("comment", "choices", {"text": ["x"]}), "another type"),
        (added("comment", "textarea", {"text": "x"}), "annotation.result"),
        (added("comment", "rectangle", {"x": 1}), "annotation.result"),
        (added("comment", "textarea", {"text": ["x" * 2_001]}), "comment has 2001 characters"),
        (added("comment", "textarea", {"text": ["a\0b"]}), "null character"),
        (added("bad_images", "choices", {"choices": ["poster"]}), "does not offer"),
        (added("bad_images", "choices", {"choices": ["edit", "edit"]}), "one twice"),
        (instead("decision", "choices", {"choices": ["maybe"]}), "does not offer"),
        (instead("decision", "choices", {"choices": ["approve", "reject"]}), "has 2"),
        (instead("decision", "choices", {"choices": ["reject"]}), "needs a reason"),
        (instead("q_verdict_0", "choices", {"choices": ["wrong"]}), "does not offer"),
        (instead("q_verdict_0", "choices", {"choices": ["fix"]}), "without a text"),
        (instead("original_verdict", "choices", {"choices": ["fix"]}), "original_fix is missing"),
    ],
)
def test_malformed_annotations_are_refused_with_the_reason(bad: RawAnnotation, says: str) -> None:
    refused = parse(bad, SHA)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.MALFORMED_ANNOTATION
    assert says in refused.detail


def test_a_text_that_is_too_long_is_refused_and_not_quoted() -> None:
    bad = raw(Form("approve", OK, original="fix", original_fix="secret " * 3_000))
    refused = parse(bad, SHA)
    assert isinstance(refused, Rejected)
    assert "original_fix has" in refused.detail
    assert "secret" not in refused.detail
