"""The files of a Hugging Face data set at one commit: a folder that is there, or downloaded once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from curation.errors import PrerequisiteError, TransientError

_MAX_CARD = 1_000_000


def snapshot_folder(
    repo: str, revision: str, files: Sequence[str], snapshot: Path | None, cache: Path
) -> Path:
    """Return the folder with the files of a commit.

    snapshot: taken as it is when its files are not known to be another commit's; else the files and the card
    are downloaded by huggingface_hub, which resumes, without any account's token. Raises PrerequisiteError
    when there is no such data set, commit or folder, TransientError when a later try may work.
    """
    if snapshot is None:
        return _downloaded(repo, revision, files, cache / "hub")
    if not snapshot.is_dir():
        raise PrerequisiteError(
            f"there is no folder {snapshot}; correct snapshot, or leave it out to download"
        )
    commits = {snapshot.resolve().name} | set(_noted_commits(snapshot))
    if other := sorted(one for one in commits if re.fullmatch(r"[0-9a-f]{40}", one) and one != revision):
        message = f"{snapshot} has files of commit {other[0]}, not of {revision}; set revision to it"
        raise PrerequisiteError(message)
    return snapshot


def card_licence(root: Path) -> str:
    """Return what the front matter of the data set's card says of its licence, '' when nothing."""
    import yaml

    card = root / "README.md"
    if not card.is_file():
        return ""
    with card.open(encoding="utf-8", errors="replace") as stream:
        matter = re.match(r"---\s*\n(.*?)\n---", stream.read(_MAX_CARD), re.DOTALL)
    try:
        said = yaml.safe_load(matter[1]) if matter else None
    except (yaml.YAMLError, RecursionError):
        return ""
    licence = said.get("license") if isinstance(said, dict) else None
    return " or ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "")


def _noted_commits(folder: Path) -> list[str]:
    """Return the commits that huggingface_hub noted beside the files it downloaded into a folder."""
    notes = sorted((folder / ".cache" / "huggingface" / "download").glob("**/*.parquet.metadata"))
    return [note.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip() for note in notes]


def _downloaded(repo: str, revision: str, files: Sequence[str], cache: Path) -> Path:
    from httpx2 import HTTPError  # of the client that huggingface_hub uses
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = snapshot_download(
            repo,
            repo_type="dataset",
            revision=revision,
            cache_dir=cache,
            allow_patterns=[*files, "README.md"],
            token=False,
            etag_timeout=30,
        )
    except (GatedRepoError, RepositoryNotFoundError) as error:
        message = (
            f"there is no open data set {repo} on the hub; correct repo, or download it and set snapshot"
        )
        raise PrerequisiteError(message) from error
    except RevisionNotFoundError as error:
        raise PrerequisiteError(f"{repo} has no commit {revision}; correct revision") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HTTPError, OSError) as error:
        raise TransientError(f"{repo} could not be downloaded ({type(error).__name__}); run again") from error
    return Path(folder)
