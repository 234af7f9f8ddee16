"""Licence texts become SPDX identifiers; what may not be redistributed is refused by name."""

import pytest

from curation.errors import Reason, Rejected
from curation.licences import PUBLIC_DOMAIN, attribution_line, check_licence, freedom, spdx_id


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        ("Public Domain", PUBLIC_DOMAIN),
        ("public domain.", PUBLIC_DOMAIN),
        ("https://creativecommons.org/publicdomain/mark/1.0/", PUBLIC_DOMAIN),
        ("CC0-1.0", "CC0-1.0"),
        ("CC0", "CC0-1.0"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("CC-BY-SA 4.0", "CC-BY-SA-4.0"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
        ("CC BY 2.0", "CC-BY-2.0"),
        ("Creative Commons Attribution-Share Alike 4.0 International", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 2.0 Generic", "CC-BY-NC-ND-2.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/deed.en", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/licenses/by/2.0", "CC-BY-2.0"),
        ("CC BY-SA 3.0 de", "CC-BY-SA-3.0-DE"),
        ("CC BY-SA", "LicenseRef-CC-BY-SA"),
        ("GPLv3", "GPL-3.0-only"),
        ("GPLv3 or later", "GPL-3.0-or-later"),
        ("GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("GPL-3+", "GPL-3.0-or-later"),
        ("GPLv2+", "GPL-2.0-or-later"),
        ("GNU General Public License v3", "GPL-3.0-only"),
        ("not CC0", None),
        ("CC BY-SA 4.0 except the logo", None),
        ("fair use", None),
    ],
)
def test_spdx_id(text: str, spdx: str | None) -> None:
    assert spdx_id(text) == spdx


@pytest.mark.parametrize("text", ["CC BY-NC 4.0", "CC-BY-ND-3.0", "CC BY-SA", "GPLv2+", "fair use"])
def test_what_may_not_be_redistributed_is_named(text: str) -> None:
    out = check_licence("img-1", text)
    assert isinstance(out, Rejected)
    assert out.reason is Reason.LICENCE_NOT_ALLOWED
    assert text in out.detail


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_licence_is_its_own_reason(text: str | None) -> None:
    out = check_licence("img-1", text)
    assert isinstance(out, Rejected)
    assert out.reason is Reason.LICENCE_MISSING


def test_the_list_is_the_callers() -> None:
    assert check_licence("img-1", "CC BY-SA 3.0 de") == "CC-BY-SA-3.0-DE"
    assert check_licence("img-1", "CC BY-NC 4.0", allowed={"CC-BY-NC-4.0"}) == "CC-BY-NC-4.0"
    assert isinstance(check_licence("img-1", "CC0", allowed={PUBLIC_DOMAIN}), Rejected)


def test_freer_licences_come_first() -> None:
    order = [PUBLIC_DOMAIN, "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "GPL-3.0-only"]
    ranks = [freedom(licence) for licence in order]
    assert ranks == sorted(set(ranks))


def test_attribution_names_author_licence_page_and_change() -> None:
    line = attribution_line("Colosseum", "Urse Ovidiu", PUBLIC_DOMAIN, "https://example.org/c", "resized")
    assert line == "“Colosseum” by Urse Ovidiu, public domain, https://example.org/c; changes: resized"
