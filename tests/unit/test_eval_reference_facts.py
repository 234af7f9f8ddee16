"""What is known of MMKE-Bench's own code and data, as assertions on ours; each test is one fact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from curation.ids import sha256_bytes
from curation.records import EditType, ProbeKind
from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.port import EditRequest
from eval.metrics import ProbeIds, score
from eval.models.layout import Layout, encode
from eval.models.port import Edit, Prompt, Question
from eval.models.tiny import Family
from eval.models.tokens import TokenizerCodec, train_tokenizer
from eval.records import Dialect
from tests.samples import accepted, make_item, picture
from tests.unit import tiny_networks
from warehouse.freeze import Selection, freeze

# Read by easyeditor/dataset/coco_caption.py or it raises KeyError.
ALWAYS = (
    "knowledge_type src pred alt rephrase image image_rephrase loc loc_ans m_loc m_loc_q m_loc_a port_new"
)
PAIRS = "rel_1 rel_2 rel_ans_1 rel_ans_2 m_rel_1 m_rel_2 m_rel_ans_1 m_rel_ans_2"
KEYS = {
    "entity": f"{ALWAYS} {PAIRS}",
    "visual": f"{ALWAYS} rel rel_ans m_rel m_rel_ans image_rephrase_question one_hop_img",
    "user": f"{ALWAYS} {PAIRS} one_hop_img",
}
SLOTS = ("image", "image_rephrase", "one_hop_img")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """Return the records of the official layout by their file's prefix, both splits together."""
    items = [make_item(4 * place + n, kind) for place, kind in enumerate(EditType) for n in range(1, 5)]
    pictures = {sha256_bytes(picture(n)): picture(n) for n in range(200)}
    selection = Selection([accepted(item) for item in items], drafter="rules", is_llm=False)
    release, _ = freeze(tmp_path_factory.mktemp("facts"), "0.1.0", selection, pictures.__getitem__)
    folder: Path = release.path / "mmke" / "data_json"
    return {
        name: [
            one
            for half in ("train", "eval")
            for one in json.loads((folder / f"{name}_{half}.json").read_text())
        ]
        for name in KEYS
    }


def ids(kind: ProbeKind, label: list[int], said: list[int]) -> ProbeIds:
    return ProbeIds(kind, tuple(label), tuple(said))


def test_1_the_official_loader_keeps_every_record(exported: dict[str, list[dict[str, object]]]) -> None:
    for name, records in exported.items():
        assert len(records) == 4
        for record in records:
            assert not [key for key in KEYS[name].split() if key != "pred" and not record[key]]


def test_3_pictures_fill_two_slots_of_an_entity_and_three_of_the_others(
    exported: dict[str, list[dict[str, object]]],
) -> None:
    filled = {name: sum(slot in one for one in rows for slot in SLOTS) for name, rows in exported.items()}
    assert filled == {"entity": 2 * 4, "visual": 3 * 4, "user": 3 * 4}


def test_4_ke_is_a_mean_over_tokens_and_the_trainer_one_over_questions() -> None:
    probes = [ids(ProbeKind.T_REL, [1], [1]), ids(ProbeKind.T_REL, [1, 2, 3], [0, 0, 0])]
    trainer, ke = score(probes, Dialect.TRAINER), score(probes, Dialect.KE)
    assert trainer.of(ProbeKind.T_REL) == 0.5
    assert ke.counts[ProbeKind.T_REL] == (1, 4)


def test_5_a_byte_level_tokeniser_has_other_ids_for_an_answer_by_itself() -> None:
    codec = TokenizerCodec(train_tokenizer(["She lives in Melbourne today. He saw Melbourne."] * 5, 300))
    layout = Layout((), (), (2,), 0, 3, 2, 100)
    question = Question("Where does she live", "Melbourne")
    bare, joint = (
        encode(question, layout, codec, dialect, locality=False, asked_only=False)
        for dialect in (Dialect.TRAINER, Dialect.CLEAN)
    )
    assert len(bare.label_ids) > len(joint.label_ids) == 1
    assert joint.label_ids == joint.ids[-1:] and bare.label_ids[0] not in bare.ids


def edited(dialect: Dialect) -> tuple[list[Prompt], dict[str, Edit]]:
    """Return a text and a picture probe, and an edit by each fine-tuning method."""
    model = tiny_networks.split(Family.LLAVA)
    shown = tiny_networks.picture(1)
    probes = [
        model.encode(Question("What is the capital of Norway?", "Oslo"), dialect, locality=True),
        model.encode(Question("What is it?", "a concert hall", shown), dialect, locality=True),
    ]
    request = model.encode(Question("Please introduce it.", "It dates from 1743.", shown), dialect)
    settings = FineTuning(steps=10, learning_rate=3e-3)
    made = {}
    for editor in (FtLlm(settings), FtAlignment(settings)):
        edit = editor.edit(model, [EditRequest(None, request)], Edit())[0]  # type: ignore[arg-type]
        assert isinstance(edit, Edit)
        made[editor.name] = edit
    return probes, made


@pytest.mark.parametrize("dialect", [Dialect.TRAINER, Dialect.CLEAN])
def test_6_alignment_leaves_t_loc_at_one_and_t_rel_where_it_was(dialect: Dialect) -> None:
    probes, made = edited(dialect)
    model = tiny_networks.split(Family.LLAVA)
    base, after = model.read(probes, Edit()), model.read(probes, made["FT-Alignment"])
    assert base[0] == after[0] and base[1] != after[1]
    asked = ProbeIds(ProbeKind.T_LOC, (), (), base[0].top_ids, after[0].top_ids)
    assert score([asked], dialect).of(ProbeKind.T_LOC) == 1.0


def test_8_the_state_after_each_edit_is_the_base_s() -> None:
    model = tiny_networks.split(Family.LLAVA)
    before = model.state_digest()
    probes, made = edited(Dialect.CLEAN)
    for edit in made.values():
        model.read(probes, edit)
        assert model.state_digest() == before


def test_10_tuning_on_held_states_is_tuning_through_the_whole_model() -> None:
    plain, split = tiny_networks.plain(Family.BLIP2), tiny_networks.split(Family.BLIP2)
    question = Question("Please introduce it.", "It dates from 1743.", tiny_networks.picture(1))
    request = EditRequest(None, plain.encode(question, Dialect.TRAINER))  # type: ignore[arg-type]
    editor = FtLlm(FineTuning(steps=40, learning_rate=2e-4))
    slow, fast = (editor.edit(model, [request], Edit())[0] for model in (plain, split))
    assert isinstance(slow, Edit) and isinstance(fast, Edit)
    assert all(torch.equal(slow.weights[name], fast.weights[name]) for name in slow.weights)
