"""Each check rejects what it is for, with its reason and the span, and lets a good item pass."""

from __future__ import annotations

from typing import Any

import pytest

from curation.drafting.checks import check_item
from curation.errors import Reason
from curation.records import KnowledgeItem, ProbeKind
from tests.samples import make_item

GOOD = make_item(1).model_copy(update={"subject_name": "Petra"})
GOOD = GOOD.model_copy(
    update={
        "original_text": "Petra is in Jordan. It dates from 312.",
        "probes": tuple(
            probe.model_copy(
                update={"original_answer": "Jordan" if probe.answer == "Norway" else "312"}
                if probe.kind in (ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.I_GEN)
                else {}
            )
            for probe in GOOD.probes
        ),
    }
)


def changed(probe_id: str = "", probe: dict[str, Any] | None = None, **item: Any) -> KnowledgeItem:
    probes = tuple(
        one.model_copy(update=probe or {}) if one.probe_id == probe_id else one for one in GOOD.probes
    )
    return GOOD.model_copy(update={"probes": probes, **item})


def test_a_good_item_passes() -> None:
    assert check_item(GOOD) == []


@pytest.mark.parametrize(
    ("item", "reason", "span"),
    [
        (changed("T-Rel-1", {"answer": "Oslo"}), Reason.ANSWER_NOT_IN_EDITED_TEXT, "Oslo"),
        (
            changed(original_text="Petra is in Jordan, not Norway, since 312."),
            Reason.ANSWER_IN_ORIGINAL_TEXT,
            "Norway",
        ),
        (changed(original_text="Petra is old, from 312."), Reason.ORIGINAL_ANSWER_NOT_IN_TEXT, "Jordan"),
        (changed("T-Rel-2", {"answer": "Norway"}), Reason.SAME_RELIABILITY_ANSWER, "norway"),
        (changed("T-Rel-1", {"original_answer": None}), Reason.NOT_COUNTERFACTUAL, "Norway"),
        (changed("I-Rel-1", {"question": "Which country is Petra in?"}), Reason.NAME_LEAKED, "Petra"),
        (changed("Port", {"question": "What do Petras lie near?"}), Reason.NAME_LEAKED, "Petra"),
        (changed(request="Introduce PETRA please."), Reason.NAME_LEAKED, "request"),
        (changed("T-Rel-1", {"question": "Is it in Norway?"}), Reason.ANSWER_IN_QUESTION, "Norway"),
        (changed("T-Loc", {"answer": "word " * 12 + "word"}), Reason.TOO_LONG, "word"),
        (changed(edited_text="Norway 1743 " * 150), Reason.TOO_LONG, "words"),
        (changed("T-Loc", {"answer": "a mammal."}), Reason.SCHEMA_INVALID, "a mammal."),
        (changed("T-Loc", {"answer": " a mammal"}), Reason.SCHEMA_INVALID, "mammal"),
        (changed("Port", {"answer": "1743"}), Reason.NOT_ONE_HOP, "1743"),
        (changed("Port", {"question": "Which city leads Norway?"}), Reason.NOT_ONE_HOP, "Norway"),
    ],
)
def test_what_is_wrong_is_named(item: KnowledgeItem, reason: Reason, span: str) -> None:
    found = check_item(item)
    assert [one for one in found if one.reason is reason and span in one.detail]


@pytest.mark.parametrize(
    "text",
    [
        "See https://evil.example",
        "Go to www.evil.example",
        "Mail a@b",
        "Petra <script>x</script>",
        "A&lt;b",
        "[x](y)",
        "Turned \u202e round",
        "Zero\u200bwidth",
        "Bell\x07",
        "In ```code```",
        "{x}",
    ],
)
def test_hostile_texts_are_out_and_not_repeated(text: str) -> None:
    for item in (changed(edited_text=text), changed("T-Loc", {"question": text})):
        found = check_item(item)
        assert Reason.HOSTILE_CONTENT in [one.reason for one in found]
        assert not [one for one in found if text in one.detail]
