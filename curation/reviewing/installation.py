"""A Label Studio installation: its version, template folder, switches and owner's account."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from curation.errors import IntegrityError, PrerequisiteError, TransientError

_OWNER = "curator@mmke.example"
_MIGRATE_SECONDS = 900
_LOG_TAIL = 1500


@dataclass(frozen=True)
class OwnerAccount:
    """The account that the server is made with; token is the legacy token."""

    user: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def migrated_template(executable: Path, cache: Path) -> Path:
    """Return the migrated, empty data folder of this version; made once (about a minute), then copied."""
    version = _version(executable)
    done = cache / f"label-studio-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"label-studio-{version}.lock"):
        if done.is_dir():
            return done
        for left in cache.glob(f"label-studio-{version}-*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        # a fresh name, because the migration of a killed run may still be writing to the old one
        work = cache / f"label-studio-{version}-{secrets.token_hex(4)}.partial"
        work.mkdir(mode=0o700)
        # `version` applies the migrations and ends by itself, so a killed run leaves no server behind
        command = [str(executable), "version", "--data-dir", str(work)]
        try:
            ended = subprocess.run(  # noqa: S603 - our own executable, no shell
                command,
                env=server_environment(work, work / "files", None),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_MIGRATE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TransientError(
                f"Label Studio did not migrate in {_MIGRATE_SECONDS} s: run again"
            ) from error
        if ended.returncode != 0 or not (work / "label_studio.sqlite3").is_file():
            tail = ended.stderr.decode("utf-8", "replace")[-_LOG_TAIL:]
            raise TransientError(f"Label Studio could not make its data folder:\n{tail}")
        # every copy gets a SECRET_KEY of its own
        (work / ".env").unlink(missing_ok=True)
        work.rename(done)
    return done


def _version(executable: Path) -> str:
    """Return the installed version, asked of the environment's own Python (Label Studio itself takes 5 s)."""
    python = executable.parent / "python"
    code = "import importlib.metadata as m; print(m.version('label-studio'))"
    try:
        ended = subprocess.run(  # noqa: S603 - our own executable, no shell
            [str(python), "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PrerequisiteError(
            f"the environment of {executable} does not work: run `make setup-label-studio`"
        ) from error
    return ended.stdout.strip()


def owner_account(folder: Path) -> OwnerAccount:
    """Return the owner's account, made on first use and readable by the user only."""
    path = folder / "account.json"
    if not path.exists():
        account = OwnerAccount(_OWNER, secrets.token_urlsafe(18), secrets.token_hex(20))
        work = folder / "account.partial"
        work.unlink(missing_ok=True)
        descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(account), file)
        work.rename(path)
    try:
        return OwnerAccount(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged: remove {folder} to start afresh") from error


def server_environment(data: Path, files: Path, account: OwnerAccount | None) -> dict[str, str]:
    """Return the server's environment: nothing of the caller's but the paths, so no key or HOST leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    switches = {
        "HOME": str(data),
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(files),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LS_CSP_REPORT_ONLY": "false",
        "LOG_LEVEL": "WARNING",
    }
    if account is not None:
        switches["LABEL_STUDIO_USERNAME"] = account.user
        switches["LABEL_STUDIO_PASSWORD"] = account.password
        switches["LABEL_STUDIO_USER_TOKEN"] = account.token
    return kept | switches
