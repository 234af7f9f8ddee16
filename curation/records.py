"""The frozen types of the domain, named as in the paper: the one file that everything imports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from curation.ids import sha256_json

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class EditType(StrEnum):
    """The paper's three editing types."""

    VISUAL_ENTITY = "visual_entity"
    VISUAL_SEMANTIC = "visual_semantic"
    USER_SPECIFIC = "user_specific"


class ProbeKind(StrEnum):
    """The paper's six question kinds; the value is the spelling in files, columns and charts."""

    T_REL = "T-Rel"
    I_REL = "I-Rel"
    I_GEN = "I-Gen"
    T_LOC = "T-Loc"
    I_LOC = "I-Loc"
    PORT = "Port"


class ImageRole(StrEnum):
    """What a picture is for inside an item."""

    EDIT = "edit"
    REPHRASE = "rephrase"
    LOCALITY = "locality"
    ONE_HOP = "one_hop"


class ImageOrigin(StrEnum):
    """How a picture came to be; only photographs and paintings count as real."""

    PHOTOGRAPH = "photograph"
    PAINTING = "painting"
    DRAWN = "drawn"
    GENERATED = "generated"
    DERIVED = "derived"


class Outcome(StrEnum):
    """Where a thing stands in a stage: in = kept + rejected + pending."""

    KEPT = "kept"
    REJECTED = "rejected"
    PENDING = "pending"


class VerdictState(StrEnum):
    """What the votes on an item add up to."""

    APPROVED = "APPROVED"
    FIXED = "FIXED"
    REJECTED = "REJECTED"
    DISPUTED = "DISPUTED"


class Split(StrEnum):
    """The two parts of a release."""

    TRAIN = "train"
    EVAL = "eval"


class Record(BaseModel):
    """A frozen value; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Category(Record):
    """A broad category: the paper's 33 and a project's own.

    count: the paper's number of items in it, 0 for what the paper has not. quota: how many items we want.
    fine_types: nouns that stand for a subject in questions ('castle'), the first fits every subject of the
    category. search_terms: what to ask a source for.
    wikidata: ids of classes, and wikidata_property how a member names its class: P31 (is a), P106 (works as)
    or P171 (is a species of). sources: kinds of source that can fill it, the best first.
    """

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    name: str = Field(min_length=1, max_length=80)
    edit_type: EditType
    count: int = Field(default=0, ge=0)
    quota: int = Field(ge=0)
    fine_types: tuple[str, ...] = ()
    search_terms: tuple[str, ...] = ()
    wikidata: tuple[str, ...] = ()
    wikidata_property: Literal["P31", "P106", "P171"] = "P31"
    sources: tuple[str, ...] = ()


class TextSource(Record):
    """Where a source text comes from: page title and address, SPDX licence, attribution line."""

    title: str
    page: str
    licence: str
    attribution: str


class Subject(Record):
    """What the knowledge is about; fine_type is the noun that stands for it in questions ('building')."""

    subject_id: str
    name: Text
    edit_type: EditType
    category: str
    fine_type: str
    source_text: Text
    text_source: TextSource


class ImageCandidate(Record):
    """A picture that a source offers, before anything is fetched.

    locator: the address or the path inside the source's archive.
    licence_text: the licence as the source words it, None when it says nothing.
    parent: image id of the picture that a derived one was made of.
    metadata: the JSON that the source gave for it, untouched; '' when it gave none.
    """

    image_id: str
    subject_id: str
    source: str
    locator: str
    author: str
    licence_text: str | None
    source_page: str
    origin: ImageOrigin
    parent: str | None = None
    note: str = ""
    metadata: str = ""


class ImageAsset(Record):
    """A picture that was fetched, decoded and lawfully kept.

    sha256: the fetched bytes. derivative_sha256: the RGB JPEG made of them (longest side at most
    512 px, no metadata), which is all that later stages and releases use. width, height: of the
    original after orientation, in pixels. retrieved_at: ISO 8601, UTC. final_url: where the bytes came
    from after redirects, '' for a local file. metadata_sha256: what the source said of it, in the artefacts.
    notes: what decoding did to it ('first of 3 frames').
    """

    image_id: str
    subject_id: str
    source: str
    locator: str
    sha256: Sha256
    derivative_sha256: Sha256
    width: int
    height: int
    byte_size: int
    media_type: str
    licence: str
    author: str
    attribution: str
    source_page: str
    origin: ImageOrigin
    parent: str | None
    retrieved_at: str
    final_url: str = ""
    metadata_sha256: Sha256 | None = None
    notes: tuple[str, ...] = ()


class PictureFeatures(Record):
    """What the search for duplicates knows of a picture, all of it from one decode.

    sha256: the fetched bytes. phash, dhash: 64 bit in 16 hexadecimal digits, one for each of nine windows,
    the whole picture first. turned: the pHash of the picture and its seven flips and quarter turns, in the
    order of Transform. pdq: 256 bit in 64 digits; pdq_quality: 0 to 100. informative: False where a hash says
    nothing (plain, flag-like). thumbnail_sha256: 64 x 64 x 3 bytes of RGB in the artefacts. algorithm: what
    made it, with versions; features of different algorithms are never compared.
    """

    image_id: str
    sha256: Sha256
    phash: tuple[str, ...]
    dhash: tuple[str, ...]
    turned: tuple[str, ...]
    pdq: str
    pdq_quality: int
    informative: bool
    thumbnail_sha256: Sha256
    algorithm: str


class Transform(StrEnum):
    """How one picture comes from another; the first eight are the flips and quarter turns of a square."""

    SAME = "same"
    ROTATED_90 = "rotated_90"
    ROTATED_180 = "rotated_180"
    ROTATED_270 = "rotated_270"
    MIRRORED = "mirrored"
    UPSIDE_DOWN = "upside_down"
    TRANSPOSED = "transposed"
    TRANSVERSED = "transversed"
    CROPPED = "cropped"
    ROTATED = "rotated"
    IDENTICAL = "identical"


class PairVerdict(StrEnum):
    """What the check of two pictures comes to; review is for people."""

    MERGE = "merge"
    REVIEW = "review"
    DISTINCT = "distinct"


class DuplicatePair(Record):
    """Two pictures that were compared closely: ids in order, what was measured, and the verdict.

    transform: how second comes from first, as far as it was found. measures: by name (bits of each hash,
    correlation, residuals). reason: one sentence for a person. ruled: whether a person's ruling decided.
    """

    first: str
    second: str
    transform: Transform
    verdict: PairVerdict
    measures: dict[str, float]
    reason: str
    ruled: bool = False


class ClusterMember(Record):
    """A picture in a duplicate cluster; distance: pHash bits that differ from the keeper (0 to 64)."""

    image_id: str
    distance: int
    relation: str
    reason: str


class DuplicateCluster(Record):
    """Pictures that show the same photograph: the keeper, why it was kept, and the dropped ones."""

    cluster_id: str
    keeper: str
    keep_reason: str
    dropped: tuple[ClusterMember, ...]


class ItemImage(Record):
    """A picture as it is used in an item.

    sha256: of the derivative's bytes. subject_id: who or what is really shown (for a composite: the
    true object). parents: image ids that it was made of. licence: SPDX expression.
    """

    role: ImageRole
    sha256: Sha256
    image_id: str
    subject_id: str
    origin: ImageOrigin
    parents: tuple[str, ...]
    licence: str
    attribution: str
    source_page: str


class Probe(Record):
    """One evaluation question.

    probe_id: kind, and a number where an item has two of the kind ('T-Rel-1'). answer: the answer
    after the edit. original_answer: what the unedited knowledge answers, None when it says nothing
    about it (user-specific insertions). image_role: None for a text question. hop: 1 for Port.
    """

    probe_id: str
    kind: ProbeKind
    question: Text
    answer: Text
    original_answer: str | None = None
    image_role: ImageRole | None = None
    hop: int = 0


class Usage(Record):
    """Tokens of one model call, as the endpoint reports them."""

    input_tokens: int = 0
    output_tokens: int = 0


class Provenance(Record):
    """How one text of an item was written; enough to send the same request again."""

    step: str
    prompt_id: str
    prompt_sha256: Sha256
    model: str
    drafter: str
    is_llm: bool
    parameters: dict[str, float | int | str]
    request_sha256: Sha256
    response_sha256: Sha256
    usage: Usage


class KnowledgeItem(Record):
    """One edit with everything that is asked about it: the record that runs from draft to evaluation.

    original_text: what holds before the edit. edited_text: the edit target. request, rephrased_request:
    the question whose answer edited_text is. stand_in: subject id of the thing whose pictures are shown
    as the edited subject (visual_entity and visual_semantic), else None. user_name: user_specific only.
    hop_source: where the outside fact of an entity's portability question comes from. draw: how often the
    item was drafted anew before.
    """

    item_id: str
    subject_id: str
    subject_name: str
    edit_type: EditType
    category: str
    fine_type: str
    original_text: Text
    edited_text: Text
    request: Text
    rephrased_request: Text
    stand_in: str | None
    user_name: str | None
    images: tuple[ItemImage, ...]
    probes: tuple[Probe, ...]
    text_source: TextSource
    hop_source: TextSource | None = None
    provenance: tuple[Provenance, ...]
    draw: int = 0

    @property
    def revision(self) -> str:
        """Return 16 digits that change when anything a reviewer sees changes."""
        seen = self.model_dump(mode="json", exclude={"provenance", "draw"})
        return sha256_json(seen)[:16]

    @property
    def task_key(self) -> str:
        """Return the key by which pushing a review task is idempotent."""
        return f"{self.item_id}:{self.revision}"

    def image(self, role: ImageRole) -> ItemImage | None:
        """Return the picture with a role, None when the item has none."""
        return next((image for image in self.images if image.role is role), None)

    def probes_of(self, kind: ProbeKind) -> tuple[Probe, ...]:
        """Return the probes of a kind, in order."""
        return tuple(probe for probe in self.probes if probe.kind is kind)


class ReviewTask(Record):
    """What is pushed to people: an item, how it was drafted, and for adjudication the earlier votes."""

    task_key: str
    item: KnowledgeItem
    drafter: str
    is_llm: bool
    queue: str = "review"
    earlier: tuple[str, ...] = ()


class ProbeVote(Record):
    """One annotator's verdict on one probe: ok, fix (with the corrected texts) or drop."""

    probe_id: str
    verdict: str
    question: str | None = None
    answer: str | None = None


class Annotation(Record):
    """One annotator's vote on one task, as read from the desk.

    decision: approve, revise or reject; None when the task was skipped. original_fix, edited_fix: the
    corrected texts, None when they were accepted. raw_sha256: the untouched annotation in the artefacts.
    lead_time: seconds.
    """

    annotation_id: str
    task_key: str
    item_id: str
    annotator: str
    queue: str
    skipped: bool
    decision: str | None
    original_verdict: str | None
    edited_verdict: str | None
    original_fix: str | None
    edited_fix: str | None
    probe_votes: tuple[ProbeVote, ...]
    bad_images: tuple[str, ...]
    reasons: tuple[str, ...]
    comment: str
    lead_time: float | None
    updated_at: str
    raw_sha256: Sha256


class Verdict(Record):
    """What the votes on an item come to; item is the text to release (with fixes), None unless accepted."""

    item_id: str
    task_key: str
    state: VerdictState
    annotators: tuple[str, ...]
    changed: tuple[str, ...]
    reasons: tuple[str, ...]
    item: KnowledgeItem | None


class ReleasedItem(Record):
    """An approved item and the part of the release that it is in."""

    item: KnowledgeItem
    split: Split


class StageCount(Record):
    """What came into a stage and where it went; incoming = kept + rejected + pending."""

    stage: str
    unit: str
    incoming: int
    kept: int
    rejected: dict[str, int]
    pending: int


class Coefficient(Record):
    """A measure of agreement with its 95 % bootstrap interval; None where it is undefined."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class AgreementRow(Record):
    """How far annotators agree on one control of the interface, over the things that two or more judged.

    part: "all", a category, or an annotator with all others. raw: share of pairs of votes that agree. kappa:
    Cohen's, the mean over pairs of annotators by how much both judged (Light 1971). alpha: Krippendorff's,
    nominal. ac1: Gwet's.
    """

    control: str
    part: str = "all"
    things: int
    raw: Coefficient = Coefficient()
    kappa: Coefficient = Coefficient()
    alpha: Coefficient = Coefficient()
    ac1: Coefficient = Coefficient()
