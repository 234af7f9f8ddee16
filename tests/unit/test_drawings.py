"""What we draw ourselves shows what it says, and is the same every time."""

import pytest

from curation.collecting.drawings import draw
from curation.images import Inspected, inspect, main_colour


@pytest.mark.parametrize("colour", ["red", "orange", "yellow", "green", "blue", "purple"])
@pytest.mark.parametrize("manner", ["bands", "discs"])
def test_a_colour_is_that_colour(colour: str, manner: str) -> None:
    found = inspect("img-1", draw(f"colour/{colour}/{manner}"))
    assert isinstance(found, Inspected)
    name, share = main_colour(found.derivative)
    assert name == colour
    assert share > 0.9


@pytest.mark.parametrize("shape", ["triangle", "square", "circle", "ellipse"])
def test_shapes_differ_from_each_other_and_repeat(shape: str) -> None:
    filled, outlined = draw(f"shape/{shape}/filled"), draw(f"shape/{shape}/outlined")
    assert filled != outlined
    assert filled == draw(f"shape/{shape}/filled")


@pytest.mark.parametrize("locator", ["", "colour/mauve/bands", "shape/circle/dotted", "../../etc"])
def test_what_cannot_be_drawn_is_not_there(locator: str) -> None:
    with pytest.raises(FileNotFoundError):
        draw(locator)


def test_a_red_circle_is_one_picture_for_the_colour_and_for_the_shape() -> None:
    assert draw("colour/red/circle") == draw("shape/circle/red") != draw("shape/circle/filled")
