"""The labelling configuration and the data of a task fit each other."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from curation.records import EditType
from curation.reviewing import forms
from curation.reviewing.interface import guidelines, label_config, review_interface, task_data
from tests.review_samples import PROBES, SHAS, item, task


def controls() -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(label_config())
    return {tag.attrib["name"]: tag for tag in root.iter() if tag.tag in ("Choices", "TextArea")}


def test_the_configuration_has_the_controls_that_forms_write() -> None:
    form = forms.Form("revise", (forms.ProbeVote(probe_id="T-Rel", verdict="fix", question="q", answer="a"),))
    full = {control["from_name"] for control in forms.to_result(form)}
    full |= {"original_fix", "edited_fix", "reasons", "bad_images", "comment"}
    assert {name.replace("{{idx}}", "0") for name in controls()} == full


def test_the_choices_are_those_that_parsing_allows() -> None:
    offered = {
        name: tuple(choice.attrib["value"] for choice in tag.iter("Choice"))
        for name, tag in controls().items()
    }
    assert offered["decision"] == forms.DECISIONS
    assert offered["original_verdict"] == offered["edited_verdict"] == forms.TEXT_VERDICTS
    assert offered["q_verdict_{{idx}}"] == forms.PROBE_VERDICTS
    assert offered["reasons"] == forms.REASONS


def test_no_verdict_is_prefilled_and_every_verdict_is_required() -> None:
    for name, tag in controls().items():
        assert all("selected" not in choice.attrib for choice in tag.iter("Choice"))
        if "verdict" in name or name == "decision":
            assert tag.attrib["required"] == "true"
            assert "value" not in tag.attrib


def test_no_hotkey_is_used_twice() -> None:
    root = ElementTree.fromstring(label_config())
    keys = [tag.attrib["hotkey"] for tag in root.iter("Choice")]
    keys += [entry["hotkey"] for entry in task_data(task(item()))["image_choices"]]
    assert len(keys) == len(set(keys))


def test_every_variable_of_the_configuration_is_in_the_data() -> None:
    data = task_data(task(item()))
    names = set(re.findall(r"\$(\w+)", label_config()))
    assert names <= set(data)
    fields = set(re.findall(r"\$questions\[{{idx}}\]\.(\w+)", label_config()))
    assert all(fields <= set(question) for question in data["questions"])


def test_a_task_shows_the_drafter_the_pictures_and_the_probes() -> None:
    data = task_data(task(item()))
    assert "drafter=rules, is_llm=false" in data["head_html"]
    assert all(sha in data["gallery_html"] for sha in SHAS)
    assert [question["probe_id"] for question in data["questions"]] == [probe.probe_id for probe in PROBES]
    assert SHAS[0] in data["questions"][1]["html"]
    assert "text only" in data["questions"][0]["html"]
    assert "<ins>Rome</ins>" in data["edited_html"]
    assert "prediction" not in data


def test_an_insertion_is_not_shown_as_a_replacement() -> None:
    data = task_data(task(item(edit_type=EditType.USER_SPECIFIC, user_name="Ada", stand_in=None)))
    assert "<del>" not in data["original_html"]
    assert "<ins>" not in data["edited_html"]
    assert data["original_title"].startswith("Description")
    assert "inserts something" in data["head_html"]
    assert "User: Ada" in data["head_html"]


def test_earlier_votes_and_hostile_texts_are_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    probes = tuple(probe.model_copy(update={"question": hostile, "answer": hostile}) for probe in PROBES)
    knowledge = item(original_text=hostile, subject_name=hostile, request=hostile, probes=probes)
    data = task_data(task(knowledge, queue="adjudication", earlier=(hostile,)))
    html = [value for name, value in data.items() if name.endswith("_html")]
    html += [question["html"] for question in data["questions"]]
    assert all("<img src=x" not in piece for piece in html)
    assert "Earlier vote 1: &lt;img" in data["head_html"]
    assert data["original"] == hostile


def test_the_version_follows_the_configuration() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", review_interface().version)
    assert guidelines().count("<b>Good") == 2
    assert guidelines().count("<b>Bad") == 2
