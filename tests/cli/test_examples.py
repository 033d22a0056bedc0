"""Finding the worked configuration files."""

from __future__ import annotations

import pytest

from gateway.cli import examples


def test_a_checkout_has_them_in_its_config_folder() -> None:
    """From a checkout the file one edits is the file that is used."""
    assert examples.locate("demo.yaml") == examples.folders()[0] / "demo.yaml"


def test_a_name_that_is_not_there_says_where_it_was_looked_for() -> None:
    """A missing file is a sentence with both folders."""
    with pytest.raises(FileNotFoundError, match=r"nothing.yaml is neither in .*config and .*examples"):
        examples.locate("nothing.yaml")
