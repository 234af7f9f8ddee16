"""The kinds of failure, and the vocabulary of reasons for which a thing is rejected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was rejected: a stable code, one spelling everywhere."""

    LICENCE_MISSING = "licence_missing"
    LICENCE_UNKNOWN = "licence_unknown"
    LICENCE_NON_COMMERCIAL = "licence_non_commercial"
    LICENCE_NO_DERIVATIVES = "licence_no_derivatives"
    LICENCE_NOT_ALLOWED = "licence_not_allowed"
    WITHDRAWN = "withdrawn"
    CONSENT_MISSING = "consent_missing"
    LIST_ROW_INVALID = "list_row_invalid"
    UNSAFE_PATH = "unsafe_path"
    NO_SOURCE_TEXT = "no_source_text"
    NO_PICTURE = "no_picture"
    QUOTA_REACHED = "quota_reached"
    FETCH_FAILED = "fetch_failed"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    ROBOTS_DISALLOWED = "robots_disallowed"
    OPTED_OUT = "opted_out"
    IMAGE_UNREADABLE = "image_unreadable"
    IMAGE_TOO_SMALL = "image_too_small"
    IMAGE_TOO_LARGE = "image_too_large"
    IMAGE_EMPTY = "image_empty"
    NOT_AN_IMAGE = "not_an_image"
    IMAGE_FORMAT_NOT_ALLOWED = "image_format_not_allowed"
    IMAGE_TRUNCATED = "image_truncated"
    IMAGE_DEPTH_NOT_ALLOWED = "image_depth_not_allowed"
    IMAGE_METADATA_TOO_LARGE = "image_metadata_too_large"
    DECODE_TOO_COSTLY = "decode_too_costly"
    DECODE_CRASHED = "decode_crashed"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    NO_STAND_IN = "no_stand_in"
    NO_DISTRACTOR = "no_distractor"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    SCHEMA_INVALID = "schema_invalid"
    NOT_COUNTERFACTUAL = "not_counterfactual"
    ANSWER_NOT_IN_EDITED_TEXT = "answer_not_in_edited_text"
    ANSWER_IN_ORIGINAL_TEXT = "answer_in_original_text"
    NAME_LEAKED = "name_leaked"
    SAME_RELIABILITY_ANSWER = "same_reliability_answer"
    TOO_LONG = "too_long"
    HOSTILE_CONTENT = "hostile_content"
    REVIEWERS_REJECTED = "reviewers_rejected"
    REVIEWERS_DISAGREE = "reviewers_disagree"
    REVISION_ASKED = "revision_asked"
    MALFORMED_ANNOTATION = "malformed_annotation"
    STALE_ANNOTATION = "stale_annotation"
    ORIGINAL_ANSWER_NOT_IN_TEXT = "original_answer_not_in_text"
    ANSWER_IN_QUESTION = "answer_in_question"
    NOT_ONE_HOP = "not_one_hop"
    CONTENT_FILTER = "content_filter"
    QUESTION_NOT_SOUND = "question_not_sound"
    NOT_ENGLISH = "not_english"
    NEAR_DUPLICATE_PROBE = "near_duplicate_probe"
    LOCALITY_NOT_UNRELATED = "locality_not_unrelated"
    IMAGE_NOT_NEEDED = "image_not_needed"
    ECHOES_INSTRUCTION = "echoes_instruction"
    ENTITY_NOT_NAMED = "entity_not_named"
    EDIT_NOT_COHERENT = "edit_not_coherent"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A value: this thing is out, for this reason, and the flow goes on.

    key: what was rejected (image id, subject id, item id, task key).
    detail: one plain sentence for a person; never a secret, never raw markup.
    """

    key: str
    reason: Reason
    detail: str = ""


class ForgeError(Exception):
    """An error that the command line prints as one line, with its own exit code."""

    exit_code = 1


class TransientError(ForgeError):
    """It may work on the next try: retry with back-off, then leave it pending."""

    exit_code = 1


class RateLimitedError(TransientError):
    """The other side asks us to come back later; nothing was done and nothing is charged."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Remember for how many seconds we are asked to wait, None where we are not told."""
        super().__init__(message)
        self.retry_after = retry_after


class UnknownOutcomeError(TransientError):
    """The request left and no answer came: it may have been worked on, and charged."""


class LimitReachedError(ForgeError):
    """A budget or quota is used up: what was paid for is kept, go on with a larger one (exit 5)."""

    exit_code = 5


class PrerequisiteError(ForgeError):
    """Something that the command needs is not there; the message ends with the fix (exit 3)."""

    exit_code = 3


class PortInUseError(PrerequisiteError):
    """Something else listens on the port that was asked for (exit 7)."""

    exit_code = 7


class IntegrityError(ForgeError):
    """A stored thing is not what its name says: stop and touch nothing (exit 4)."""

    exit_code = 4
