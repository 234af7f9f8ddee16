"""The pages are whole in themselves, escape what strangers wrote, and outline the keeper."""

from pathlib import Path

from curation.galleries import contact_sheet, duplicate_gallery
from curation.images import Inspected, inspect
from curation.records import ClusterMember, DuplicateCluster, ImageAsset, ImageOrigin
from tests.archives import picture


def shown(image_id: str, shelf: dict[str, bytes], **changes: object) -> ImageAsset:
    found = inspect(image_id, picture(size=(400, 300)))
    assert isinstance(found, Inspected)
    shelf[found.derivative_sha256] = found.derivative
    fields = {
        "image_id": image_id,
        "subject_id": "colosseum",
        "source": "fake",
        "locator": f"folder/{image_id}.webp",
        "sha256": found.sha256,
        "derivative_sha256": found.derivative_sha256,
        "width": 400,
        "height": 300,
        "byte_size": 9,
        "media_type": "image/png",
        "licence": "LicenseRef-Public-Domain",
        "author": "a",
        "attribution": "by <script>alert(1)</script>",
        "source_page": "javascript:alert(1)",
        "origin": ImageOrigin.PHOTOGRAPH,
        "parent": None,
        "retrieved_at": "2026-11-23T00:00:00Z",
    }
    return ImageAsset.model_validate(fields | changes)


def test_a_cluster_shows_keeper_distance_and_reasons(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: shown(name, shelf) for name in ("img-a", "img-b")}
    dropped = ClusterMember(image_id="img-b", distance=3, relation="near", reason="320 x 200 px against 400")
    found = DuplicateCluster(
        cluster_id="dup-1", keeper="img-a", keep_reason="most pixels", dropped=(dropped,)
    )
    page = duplicate_gallery([found], [], assets, shelf.__getitem__, tmp_path / "new" / "d.html").read_text()
    assert page.index('class="keeper"') < page.index('class="dropped"')
    for words in ("most pixels", "near, 3 bits", "320 x 200 px against 400", "public domain", "dup-1"):
        assert words in page


def test_a_page_is_self_contained_and_escapes_strangers(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    sheet = contact_sheet("A & B", [shown("img-a", shelf)], shelf.__getitem__, tmp_path / "s.html")
    page = sheet.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "A &amp; B" in page
    assert "http://" not in page
    assert "https://" not in page
    assert 'src="data:image/jpeg;base64,' in page


def test_the_same_pictures_give_the_same_page_and_no_litter(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = [shown("img-a", shelf), shown("img-b", shelf, subject_id="petra")]
    first = contact_sheet("All", assets, shelf.__getitem__, tmp_path / "s.html").read_bytes()
    again = contact_sheet("All", assets, shelf.__getitem__, tmp_path / "s.html").read_bytes()
    assert first == again
    assert b"2 pictures of 2 subjects" in first
    assert [path.name for path in tmp_path.iterdir()] == ["s.html"]


def test_no_duplicates_is_a_page_too(tmp_path: Path) -> None:
    page = duplicate_gallery([], [], {}, {}.__getitem__, tmp_path / "d.html").read_text()
    assert "Nothing to show" in page
