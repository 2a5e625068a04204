"""The list of deliberate faults stays in step with the code that it breaks."""

from tests.ops.faults import FAULTS, ROOT


def test_every_fault_still_finds_the_words_that_it_replaces():
    for file, right, wrong in FAULTS:
        text = (ROOT / "jaxml" / file).read_text()
        assert right in text, (file, right)
        assert right != wrong
