"""The freeze stage: approved items become an immutable, verified release."""

from __future__ import annotations

from prefect import flow

from curation.errors import PrerequisiteError, Reason
from curation.records import Outcome, StageCount
from flows.draft import drafted
from flows.pull import verdicts_on
from flows.settings import Settings
from flows.takedown import withdrawn_items, withdrawn_pictures
from flows.terminal import say
from flows.wiring import artefacts
from warehouse.freeze import ACCEPTED, Selection
from warehouse.freeze import freeze as cut
from warehouse.store import Event, open_store, outcome_event

STAGE = "freeze"


@flow(name="freeze", validate_parameters=False)
def freeze(settings: Settings, version: str) -> list[StageCount]:
    """Cut a version from the verdicts on the present wording of every item."""
    with open_store(settings.home) as store:
        items = drafted(store)
        verdicts = verdicts_on(store, items)
        withdrawn = withdrawn_items(verdicts, withdrawn_pictures(store, settings))
    if not items:
        message = "nothing is drafted yet; run `mmke draft` first"
        raise PrerequisiteError(message)
    wrote = {item.provenance[-1].drafter: item.provenance[-1].is_llm for item in items}
    lawful = [verdict for verdict in verdicts if verdict.item_id not in withdrawn]
    selection = Selection(lawful, drafter="+".join(sorted(wrote)), is_llm=any(wrote.values()))
    release, new = cut(settings.releases, version, selection, artefacts(settings).get)
    told = "frozen" if new else "the same bytes as before"
    say(f"  {release.path}: {told}, content {release.content_sha256[:16]}")
    released = {entry.item.item_id for entry in release.items}
    accepted = [verdict.item_id for verdict in verdicts if verdict.state in ACCEPTED]
    events = [_outcome(key, version, key in released, withdrawn.get(key)) for key in accepted]
    with open_store(settings.home) as store:
        store.settle(STAGE, events)
        return [store.count(STAGE)]


def _outcome(key: str, version: str, released: bool, withdrawn: str | None) -> Event:
    if withdrawn:
        reason, detail, state = Reason.WITHDRAWN, f"{version}: {withdrawn}", Outcome.REJECTED
        return outcome_event(STAGE, key, state, unit="items", category="", reason=reason, detail=detail)
    state = Outcome.KEPT if released else Outcome.PENDING
    return outcome_event(STAGE, key, state, unit="items", category="", detail=version)
