"""Licence texts become SPDX identifiers; what may not be redistributed is refused by name."""

import pytest

from curation.errors import Reason, Rejected
from curation.licences import (
    DEFAULT_ALLOWED,
    PUBLIC_DOMAIN,
    attribution_line,
    check_licence,
    freedom,
    licence_options,
    spdx_id,
)

# As Wikimedia Commons, Openverse, Flickr and the licences' own pages write them.
SPELLINGS = {
    PUBLIC_DOMAIN: [
        "Public domain",
        "PD",
        "PD-US",
        "PD-old-100-expired",
        "PD-USGov",
        "pdm",
        "pdm 1.0",
        "https://creativecommons.org/publicdomain/mark/1.0/deed.de",
        "United States Government Work",
        "http://www.usa.gov/copyright.shtml",
        "Public Domain Mark",
    ],
    "CC0-1.0": [
        "CC0",
        "cc0 1.0",
        "Public Domain Dedication (CC0)",
        "CC-zero",
        "http://creativecommons.org/publicdomain/zero/1.0/deed.en",
    ],
    "CC-BY-2.0": [
        "CC BY 2.0",
        "by 2.0",
        "https://creativecommons.org/licenses/by/2.0/?ref=openverse&atype=rich",
    ],
    "CC-BY-SA-3.0": ["CC BY-SA 3.0", "Cc-by-sa-3.0-migrated", "//creativecommons.org/licenses/by-sa/3.0/"],
    "CC-BY-SA-2.5-NL": ["CC BY-SA 2.5 nl", "https://creativecommons.org/licenses/by-sa/2.5/nl/deed.en"],
    "CC-BY-3.0-IGO": ["CC BY 3.0 IGO", "https://creativecommons.org/licenses/by/3.0/igo/"],
    "CC-BY-4.0": [
        "Creative Commons Attribution 4.0 International License",
        "cc-by-4.0",
        "CC BY 4.0.",
        "Attribution 4.0 International (CC BY 4.0)",
    ],
    "CC-BY-NC-ND-2.0": ["by-nc-nd 2.0", "https://creativecommons.org/licenses/by-nd-nc/2.0/"],
    "LicenseRef-CC-BY": ["by", "CC BY", "Attribution License"],
    "GFDL-1.2-or-later": [
        "GFDL",
        "GFDL 1.2+",
        "GFDL 1.2 or later",
        "http://www.gnu.org/copyleft/fdl.html",
    ],
    "GFDL-1.2-only": ["GFDL 1.2", "https://www.gnu.org/licenses/fdl-1.2.html"],
    "GFDL-1.3-only": ["GNU Free Documentation License 1.3"],
    "LAL-1.3": ["FAL", "Free Art License", "http://artlibre.org/licence/lal/en"],
    "OGL-UK-3.0": [
        "OGL 3",
        "OGL v3.0",
        "Open Government Licence v3.0",
        "http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    ],
    "LicenseRef-Attribution": ["Attribution"],
    "LicenseRef-No-Known-Restrictions": ["No restrictions", "https://www.flickr.com/commons/usage/"],
    "LicenseRef-All-Rights-Reserved": ["All Rights Reserved", "fair use"],
    "LGPL-2.1-or-later": ["LGPL 2.1 or later"],
}


@pytest.mark.parametrize(
    ("spdx", "text"), [(spdx, text) for spdx, texts in SPELLINGS.items() for text in texts]
)
def test_the_sources_spellings_are_known(spdx: str, text: str) -> None:
    assert spdx_id(text) == spdx


@pytest.mark.parametrize("spdx", sorted({*SPELLINGS, *DEFAULT_ALLOWED}))
def test_an_identifier_stands_for_itself(spdx: str) -> None:
    assert spdx_id(spdx) == spdx


@pytest.mark.parametrize(
    ("text", "options", "kept"),
    [
        ("CC BY-SA 4.0,3.0,2.5,2.0,1.0", 5, "CC-BY-SA-4.0"),
        ("CC BY-SA 4.0-3.0-2.5-2.0-1.0", 5, "CC-BY-SA-4.0"),
        ("GFDL, CC BY-SA 3.0", 2, "CC-BY-SA-3.0"),
        ("CC BY-NC 4.0 or CC BY-SA 4.0", 2, "CC-BY-SA-4.0"),
        ("CC-BY-SA-4.0 OR GPL-3.0-or-later OR CC-BY-4.0", 3, "CC-BY-4.0"),
        ("GPLv3 or later", 1, "GPL-3.0-or-later"),
        ("CC BY-SA 3.0/GFDL", 2, "CC-BY-SA-3.0"),
        ("CC BY 4.0, only with my consent", 0, None),
        ("CC BY-SA 4.0 AND LicenseRef-Mine", 0, None),
        ("3.0, CC BY 4.0", 0, None),
    ],
)
def test_of_several_licences_the_allowed_one_that_asks_least_is_taken(
    text: str, options: int, kept: str | None
) -> None:
    assert len(licence_options(text)) == options
    out = check_licence("img-1", text)
    assert out == kept or (
        kept is None and isinstance(out, Rejected) and out.reason is Reason.LICENCE_UNKNOWN
    )


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
        ("fair enough", None),
    ],
)
def test_spdx_id(text: str, spdx: str | None) -> None:
    assert spdx_id(text) == spdx


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CC BY-NC 4.0", Reason.LICENCE_NON_COMMERCIAL),
        ("CC BY-NC-ND 4.0", Reason.LICENCE_NON_COMMERCIAL),
        ("by-nc-sa", Reason.LICENCE_NON_COMMERCIAL),
        ("Free for non-commercial use", Reason.LICENCE_NON_COMMERCIAL),
        ("CC-BY-ND-3.0", Reason.LICENCE_NO_DERIVATIVES),
        ("https://creativecommons.org/licenses/by-nd/2.0/", Reason.LICENCE_NO_DERIVATIVES),
        ("CC BY-NC 4.0 or GFDL", Reason.LICENCE_NOT_ALLOWED),
        ("CC BY-SA", Reason.LICENCE_NOT_ALLOWED),
        ("GPLv2+", Reason.LICENCE_NOT_ALLOWED),
        ("fair use", Reason.LICENCE_NOT_ALLOWED),
        ("see below", Reason.LICENCE_UNKNOWN),
        ("x" * 100_000, Reason.LICENCE_UNKNOWN),
    ],
)
def test_what_may_not_be_redistributed_is_named(text: str, reason: Reason) -> None:
    out = check_licence("img-1", text)
    assert isinstance(out, Rejected)
    assert out.reason is reason
    assert text[:80] in out.detail


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
