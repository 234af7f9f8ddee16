"""The README credits in all the spellings that the packages use."""

from curation.collecting.credits import Credit, parse_credits

README = """Copyright: Kurt Kaiser
License: CC0-1.0
Source: https://commons.wikimedia.org/wiki/File:American_Bison_9.jpg
Files:
bison.webp

Copyright: Dietmar Rabich
Source: https://commons.wikimedia.org/wiki/File:Alpakas_--_5338.jpg
Licence: CC-BY-SA-4.0
Comments: cropping, sharpening
Files: alpaca.webp

Files: heron.webp
Source: https://commons.wikimedia.org/wiki/File:Purpurreiher_(ardea_purpurea).jpg
License: CC-BY-SA-4.0
Copyright: Stephan Sprinz

Copyright:
  Copyright 1989 NASA
  Copyright 2020 Timothée Giet
License: Public Domain
Comment: original source at https://commons.wikimedia.org/wiki/File:Neptune.jpg
Files:
  sky/neptune.webp

Copyright: 2000, 2008 Bruno Coudoin and others
License: CC-BY 4.0
EilanDonan_0.webp
EilanDonan_background.webp
Comment: based on a photo by Guillaume Piolle, license CC-BY 3.0, source at https://example.org/95mm.jpg

Copyright: Someone
Files: unlicensed.webp
"""


def test_the_plain_block() -> None:
    page = "https://commons.wikimedia.org/wiki/File:American_Bison_9.jpg"
    assert parse_credits(README)["bison.webp"] == Credit("Kurt Kaiser", "CC0-1.0", page, "")


def test_files_on_the_heading_line_and_the_other_spelling_of_licence() -> None:
    credit = parse_credits(README)["alpaca.webp"]
    assert (credit.licence_text, credit.note) == ("CC-BY-SA-4.0", "cropping, sharpening")


def test_fields_in_another_order() -> None:
    credit = parse_credits(README)["heron.webp"]
    assert credit.author == "Stephan Sprinz"
    assert credit.source_page.endswith("(ardea_purpurea).jpg")


def test_several_authors_and_the_source_in_the_comment() -> None:
    credit = parse_credits(README)["sky/neptune.webp"]
    assert credit.author == "1989 NASA; 2020 Timothée Giet"
    assert credit.source_page == "https://commons.wikimedia.org/wiki/File:Neptune.jpg"


def test_a_forgotten_files_heading_and_an_original_author() -> None:
    credit = parse_credits(README)["EilanDonan_background.webp"]
    assert credit.author == "Guillaume Piolle; adapted by 2000, 2008 Bruno Coudoin and others"
    assert (credit.licence_text, credit.source_page) == ("CC-BY 4.0", "https://example.org/95mm.jpg")


def test_a_remark_about_one_file_is_not_said_of_another() -> None:
    text = "Copyright: B\nLicense: GPLv3\nFiles:\n  a.webp\n  b.webp\n"
    text += "Comment: a.webp is based on a photo by C, see https://x.org/c"
    found = parse_credits(text)
    assert found["a.webp"].author == "C; adapted by B"
    assert found["b.webp"] == Credit("B", "GPLv3", "", "")


def test_no_licence_is_none_and_an_empty_readme_is_nothing() -> None:
    assert parse_credits(README)["unlicensed.webp"].licence_text is None
    assert parse_credits("") == {}
