"""Documents remembered between a read and the change that is made of it."""

from __future__ import annotations

from backends.kit.recall import KEPT, Recall


def test_a_document_is_given_once_for_its_version() -> None:
    """Another version, no version and a second time find nothing, and forget what was there."""
    recall: Recall[str] = Recall()
    recall.keep("7", "v1", "one")
    assert recall.take("7", "v1") == "one"
    assert recall.take("7", "v1") is None
    for version in ("v2", None):
        recall.keep("7", "v1", "one")
        assert recall.take("7", version) is None
        assert recall.take("7", "v1") is None
    recall.keep("7", "v1", "one")
    recall.keep("7", "v2", "two")
    assert recall.take("7", "v2") == "two"


def test_only_the_latest_are_remembered() -> None:
    """What is remembered does not grow with the directory."""
    recall: Recall[int] = Recall()
    for number in range(3 * KEPT):
        recall.keep(str(number), "v", number)
    assert [number for number in range(3 * KEPT) if recall.take(str(number), "v") is not None] == list(
        range(2 * KEPT, 3 * KEPT)
    )
