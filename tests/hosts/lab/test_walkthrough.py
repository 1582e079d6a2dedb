"""The runner of documents itself: what it reads out of a text, and what it lets pass."""

import pytest

from tests.hosts.lab.walkthrough import DocumentError, Step, matches, section, sections, steps

TEXT = """# Title

## One

```console
h1# docker ps
NAMES

h1, h2# cat <<END
> a line
> END
a line
$ false
(exit 1)
```

## Two

```yaml
networks: {}
```
"""


def test_steps_are_read_with_their_lines_prompts_and_ends() -> None:
    assert list(steps(TEXT)) == [
        Step(6, ("h1",), "docker ps", ("NAMES",)),
        Step(9, ("h1", "h2"), "cat <<END\na line\nEND", ("a line",)),
        Step(13, (), "false", None, 1),
    ]


def test_a_section_knows_where_it_begins() -> None:
    line, part = section(TEXT, "One")

    assert [step.line for step in steps(part, line)] == [6, 9, 13]
    assert sections(TEXT) == ["One"]
    with pytest.raises(DocumentError, match="no section “Three”"):
        section(TEXT, "Three")


def test_a_block_without_a_prompt_is_refused() -> None:
    with pytest.raises(DocumentError, match="line 2: a console block begins with a prompt"):
        list(steps("```console\nplain output\n```\n"))


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        (["NAME   VLAN"], ["NAME VLAN"]),
        (["3 sent, ... lost"], ["3 sent, 0 lost"]),
        (["first", "...", "last"], ["first", "last"]),
        (["first", "...", "last"], ["first", "b", "c", "last"]),
        (["what.*?"], ["what.*?"]),
        (["10.0.0..../24"], ["10.0.0.9/24"]),
    ],
)
def test_what_is_written_matches(expected: list[str], came: list[str]) -> None:
    assert matches(expected, came)


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        (["first"], ["first", "second"]),
        (["first", "second"], ["first"]),
        (["3 sent, ... lost"], ["2 sent, 0 lost"]),
        (["first", "...", "last"], ["first", "last", "more"]),
        (["wh.t"], ["what"]),
        (["10.0.0..../24"], ["10.0.00/24"]),
    ],
)
def test_what_is_not_written_does_not(expected: list[str], came: list[str]) -> None:
    assert not matches(expected, came)
