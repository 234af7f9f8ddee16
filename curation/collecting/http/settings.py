"""What a curator sets of the network, as the table [http] of mmke.toml, with safe presets for known hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, field_validator

from curation.records import Record

_CONTACT = re.compile(r"(https?://[^\s()<>]+|[^\s()<>@:/]+@[^\s()<>@]+\.[^\s()<>@]+)")
_TRUSTED = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+):([0-9]{1,5})")


class HostLimits(Record):
    """How gently one host is asked.

    streams: requests at once. per_second: requests started a second, megabits: bits read a second in
    millions; None for no limit of our own.
    """

    streams: int = Field(default=4, ge=1)
    per_second: float | None = Field(default=None, gt=0)
    megabits: float | None = Field(default=None, ge=0.01)


_SERIAL = HostLimits(streams=1)
# "*.name" stands for every host under name; an exact entry wins over it. The figures are the operators' own:
# MediaWiki API etiquette (one request after the other), Wikimedia robot policy (two streams and 25 Mbit/s for
# files), Wikidata Query Service limits (five parallel queries: we take one), Openverse (one request a second
# without credentials).
PRESETS: Mapping[str, HostLimits] = {
    "*.wikipedia.org": _SERIAL,
    "*.wikimedia.org": _SERIAL,
    "*.wikidata.org": _SERIAL,
    "upload.wikimedia.org": HostLimits(streams=2, megabits=25),
    "thumb.wikimedia.org": HostLimits(streams=2, megabits=25),
    "api.openverse.org": HostLimits(streams=1, per_second=1),
}
_UNKNOWN = HostLimits(streams=4, per_second=10)


class DoorSettings(Record):
    """The table [http] of mmke.toml.

    contact: the mail address or the web page by which an operator reaches the curator; without it nothing
    but trusted hosts is asked. trusted_hosts: 'host:port' of one's own mirrors: they may have private
    addresses and other ports than 80 and 443, and have no limits but those under hosts. hosts: limits that
    go before the presets. concurrency: requests at once over all hosts. *_seconds: limits of time;
    first_byte_seconds from the connection to the end of the headers, idle_seconds without a byte of the
    body. min_kib_per_second: the least speed over the whole of a body, once idle_seconds have passed.
    max_mib: the largest body, as sent and as unpacked. patience_seconds: the longest pause that a host may
    ask for while we wait; for a longer one the pictures stay pending. min_free_gib: disk space that is never
    used. disk_budget_gib: the most that all pictures and answers may take, None for no such limit.
    """

    contact: str = ""
    trusted_hosts: tuple[str, ...] = ()
    hosts: dict[str, HostLimits] = Field(default_factory=dict)
    concurrency: int = Field(default=32, ge=1, le=512)
    connect_seconds: float = Field(default=10.0, gt=0)
    first_byte_seconds: float = Field(default=60.0, gt=0)
    idle_seconds: float = Field(default=20.0, gt=0)
    total_seconds: float = Field(default=600.0, gt=0)
    min_kib_per_second: float = Field(default=4.0, ge=0)
    max_mib: float = Field(default=38.0, gt=0)
    patience_seconds: float = Field(default=120.0, ge=0)
    min_free_gib: float = Field(default=1.0, ge=0)
    disk_budget_gib: float | None = Field(default=None, gt=0)

    @field_validator("contact")
    @classmethod
    def _a_contact(cls, value: str) -> str:
        if value and not (value.isascii() and _CONTACT.fullmatch(value)):
            message = "must be a mail address or the address of a web page"
            raise ValueError(message)
        return value

    @field_validator("trusted_hosts")
    @classmethod
    def _host_and_port(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            found = _TRUSTED.fullmatch(entry)
            if not found or not 0 < int(found[2]) < 65536:
                message = f"{entry!r} is not host:port, in lower case"
                raise ValueError(message)
        return value

    @property
    def max_bytes(self) -> int:
        """Return the largest body in bytes."""
        return int(self.max_mib * 2**20)

    def trusts(self, host: str, port: int) -> bool:
        """Return whether host (as in a URL, IPv6 in brackets) and port are listed as trusted."""
        return f"{host}:{port}" in self.trusted_hosts

    def limits(self, host: str, port: int) -> HostLimits:
        """Return the limits of a host: those set for it, then the presets, then those of any unknown host."""
        names = [f"{host}:{port}", host]
        names += [f"*.{host.split('.', cut)[cut]}" for cut in range(1, host.count(".") + 1)]
        for table in (self.hosts, PRESETS):
            for name in names:
                if name in table:
                    return table[name]
        return HostLimits(streams=self.concurrency) if self.trusts(host, port) else _UNKNOWN
