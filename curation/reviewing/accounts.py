"""Real annotator accounts on a Label Studio server, made through its invite link."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

import httpx

from curation.errors import PrerequisiteError, TransientError


@dataclass(frozen=True)
class AnnotatorAccount:
    """An annotator's account; token is the legacy token for the API."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def annotator_account(url: str, owner_token: str, email: str) -> AnnotatorAccount:
    """Return the account with this e-mail address, joined through the invite link on first use.

    The password is made of the owner's token and the address, so nothing needs to be stored and a second
    call logs in. Raises PrerequisiteError when the server does not let it, TransientError when it is down.
    """
    password = hmac.new(owner_token.encode(), email.encode(), hashlib.sha256).hexdigest()[:32]
    try:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as session:
            form = {"email": email, "password": password}
            if not _post_form(session, "/user/login/", form):
                _post_form(session, _invite_path(session, owner_token), form)
            answer = session.get("/api/current-user/token")
    except httpx.TransportError as error:
        raise TransientError(f"Label Studio at {url} does not answer: start it again") from error
    if answer.status_code != 200:
        raise PrerequisiteError(
            f"{email} cannot join Label Studio at {url}: remove that account there or choose another address"
        )
    return AnnotatorAccount(email, password, str(answer.json()["token"]))


def _post_form(session: httpx.Client, path: str, form: dict[str, str]) -> bool:
    """Send a form with its CSRF token as a browser does; whether the server logged us in."""
    session.get(path)
    token = session.cookies.get("csrftoken", "")
    answer = session.post(path, data={**form, "csrfmiddlewaretoken": token})
    return answer.status_code == 302


def _invite_path(session: httpx.Client, owner_token: str) -> str:
    answer = session.get("/api/invite", headers={"Authorization": f"Token {owner_token}"})
    if answer.status_code != 200:
        raise PrerequisiteError("Label Studio refuses the owner's token: use the one of its account.json")
    return httpx.URL(str(answer.json()["invite_url"])).raw_path.decode("ascii")
