"""Policy files: the example, the document's tables, the schema, and what is refused, with its place."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from veridical.agent.loop.policy import Policy
from veridical.agent.loop.policy_file import LARGEST, parse_policy, policy_schema, read_policy
from veridical.agent.loop.policy_keys import EXPLAIN, OVERSIGHT, RULE, TOP, Key
from veridical.errors import InputError
from veridical.scenarios.courier.policy import ACTIONS

DOCS = Path(__file__).parents[3] / "docs"
DOCUMENT, EXAMPLE = DOCS / "policy.md", DOCS / "policy-example.toml"
HEAD = 'format = "veridical.policy/1"\nname = "x"\nversion = "1"\n'


def table(keys: tuple[Key, ...]) -> str:
    """The keys as the document's tables have them."""

    def holds(key: Key) -> str:
        words = ", ".join(f'`"{word}"`' for word in key.choices)
        numbers = {"number": "a number, ", "whole": "a whole number, "}
        kinds = {"word": words, "words": f"a list of {words}", "text": "text"}
        return kinds[key.kind] if key.kind in kinds else numbers[key.kind] + key.range

    def unless(key: Key) -> str:
        if key.needed:
            return "must be given"
        if key.default in (None, ()):
            return "none"
        return f'`"{key.default}"`' if isinstance(key.default, str) else f"`{key.default:g}`"

    head = "| key | what it says | what it holds | unless given |\n| --- | --- | --- | --- |\n"
    return head + "".join(f"| `{key.name}` | {key.says} | {holds(key)} | {unless(key)} |\n" for key in keys)


@pytest.mark.parametrize(
    ("name", "keys"), [("top", TOP), ("explain", EXPLAIN), ("oversight", OVERSIGHT), ("rules", RULE)]
)
def test_the_documents_tables_are_the_codes(name, keys):
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", DOCUMENT.read_text(encoding="utf-8"), re.S)
    assert found
    assert found[1] == table(keys)


def test_the_example_is_the_documents_and_fits_courier():
    example = EXAMPLE.read_text(encoding="utf-8")
    assert f"```toml\n{example}```" in DOCUMENT.read_text(encoding="utf-8")
    policy = read_policy(EXAMPLE, ACTIONS)
    assert policy.check(ACTIONS).name == "courier on the pavement"
    assert [(rule.when, rule.do) for rule in policy.oversight.rules] == [
        ("unsupported", "slow"),
        ("forbidden", "stop"),
        ("sensor", "hand over"),
    ]
    assert policy.explain.triggers[-1] == "request"


def test_what_is_read_is_what_was_written():
    policy = read_policy(EXAMPLE)
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    told = policy.to_dict()
    for name in ("explain", "oversight"):
        assert {key: told[name][key] for key in written[name] if key != "rules"} == {
            key: value for key, value in written[name].items() if key != "rules"
        }


def test_comments_and_order_make_no_difference_to_the_digest():
    first = parse_policy(HEAD + '[explain]\nqueue = 3\nmode = "background"\n')
    second = parse_policy('# kept\nversion = "1"\nname = "x"\nformat = "veridical.policy/1"\nexplain.queue = 3 # few\n')
    assert first.digest == second.digest
    assert first == second


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"^policy: the top level, format: is missing; write one of 'veridical.policy/1'$"),
        ('format = "veridical.policy/2"', r"line 1: the top level, format: .* did you mean 'veridical.policy/1'"),
        ('format = "veridical.policy/1"\nname = "x"', "the top level, version: is missing; write some words"),
        (HEAD.replace('"1"\n', "1\n"), "line 3: the top level, version: 1 is no text"),
        (HEAD + "[explan]", r"line 4: the top level, explan: {} stands under .* did you mean 'explain'\?"),
        (HEAD + '[explain]\n\n# it\nmod = "off"', r"line 7: \[explain\] mod: 'off' .* did you mean 'mode'\?"),
        (HEAD + '[explain]\nmode = "inlin"', r"line 5: \[explain\] mode: 'inlin' is not known; .*'inline'\?"),
        (HEAD + '[explain]\nmode = "inline"', r"line 5: \[explain\] mode: 'inline' needs a deadline"),
        (HEAD + '[explain]\ntriggers = [\n  "request",\n  "luck",\n]', r"line 5: \[explain\] triggers: .*'luck'"),
        (HEAD + "[explain]\nqueue = 1979-05-27", r"line 5: \[explain\] queue: datetime.* is no whole number"),
        (HEAD + "[explain]\nqueue = 8.0", "queue: 8.0 is no whole number"),
        (HEAD + "[explain]\nqueue = 1" + "0" * 400, "line 5: .* is out of range"),
        (HEAD + "[explain]\nsample = nan", "sample: nan is out of range"),
        (HEAD + "[explain]\nsample = true", "sample: True is no number"),
        (HEAD + "explain = 3", "line 4: the top level, explain: 3 is no table"),
        (HEAD + "[oversight]\nrules = 3", r"line 5: \[oversight\] rules: 3 is no list of tables"),
        (HEAD + "[oversight]\nslow = 3", r"line 5: \[oversight\] slow: 3 is no table"),
        (HEAD + "[oversight.slow]\nGO = 1", r"line 5: \[oversight.slow\] GO: 1 is no action's name"),
        (HEAD + "[[oversight.rules]]\n", r"line 4: \[\[oversight.rules\]\] 1 when: is missing"),
        (
            HEAD + '[[oversight.rules]]\nwhen = "fault"',
            r"line 4: \[\[oversight.rules\]\] 1 do: is missing",
        ),
        (
            HEAD + '[[oversight.rules]]\nwhen = "fault"\ndo = "annotate"\n[[oversight.rules]]\nwen = "fault"',
            r"line 8: \[\[oversight.rules\]\] 2 wen: 'fault' stands under .* did you mean 'when'\?",
        ),
        (
            HEAD + '[oversight]\nstop = "STPO"\n[[oversight.rules]]\nwhen = "unsupported"\ndo = "stop"',
            r"line 5: \[oversight\] stop: 'STPO' is no action of this system; .* did you mean 'STOP'\?",
        ),
        (
            HEAD + '[[oversight.rules]]\nwhen = "stale"\ndo = "annotate"',
            "line 5: .* can never be found: nothing counts",
        ),
        (HEAD + "[oversight]\nstale_s = -1", "stale_s: -1 is out of range; write a number above 0"),
        (HEAD + 'name = "y"', "this is no TOML: Cannot overwrite a value"),
        ("[" * 5000, "this is no TOML"),
        (HEAD + '"a\\u001b[31m" = 1', r"the top level, 'a\\x1b\[31m': 1 stands under"),
    ],
)
def test_a_file_is_refused_with_the_place_the_value_and_the_fix(text, said):
    with pytest.raises(InputError, match=said) as refused:
        parse_policy(text, actions=ACTIONS)
    assert "\n" not in str(refused.value)
    assert str(refused.value).isprintable()


def test_the_place_is_left_out_of_a_long_file_and_not_guessed():
    with pytest.raises(InputError, match=r"^policy: \[explain\] queue: 0 is out of range"):
        parse_policy(HEAD + "\n" * 1000 + "[explain]\nqueue = 0")


def test_a_file_is_read_within_bounds(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(HEAD + "#" * (LARGEST - len(HEAD)), encoding="utf-8")
    assert read_policy(path).name == "x"
    path.write_text(HEAD + "#" * (LARGEST - len(HEAD) + 1), encoding="utf-8")
    with pytest.raises(InputError, match=f"a.toml': it holds more than {LARGEST} bytes"):
        read_policy(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file; give the path"):
        read_policy(tmp_path / "none.toml")
    with pytest.raises(InputError, match="this is no file"):
        read_policy(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="this is no file"):
        read_policy(pipe)
    binary = tmp_path / "b.toml"
    binary.write_bytes(b"name = '\xff'")
    with pytest.raises(InputError, match="it is not in UTF-8: invalid start byte at byte 8"):
        read_policy(binary)
    with pytest.raises(InputError):
        read_policy("a\0b")


def test_the_schema_is_one_and_accepts_the_example():
    schema = policy_schema()
    Draft202012Validator.check_schema(schema)
    example = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(example)) == []
    assert list(validator.iter_errors(read_policy(EXAMPLE).to_dict())) == []
    assert [error.validator for error in validator.iter_errors(example | {"explan": {}})] == ["additionalProperties"]


VALUES = st.none() | st.booleans() | st.integers(-2, 12) | st.floats() | st.text(max_size=4)
WORDS = [*sorted({word for key in (*EXPLAIN, *OVERSIGHT, *RULE) for word in (*key.choices, key.name)}), "STOP"]
DRAWN = st.sampled_from(WORDS) | VALUES.filter(lambda value: value is not None)


def literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value.encode("utf-8", "ignore").decode()) + '"'
    return str(value)


def section(name: str, values: dict) -> str:
    return "\n".join([name, *(f"{key} = {literal(value)}" for key, value in values.items()), ""]) if values else ""


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.sampled_from([key.name for key in EXPLAIN]), DRAWN, max_size=3),
    st.dictionaries(st.sampled_from([key.name for key in OVERSIGHT]), DRAWN, max_size=3),
    st.dictionaries(st.sampled_from([key.name for key in RULE]), DRAWN, max_size=4),
)
def test_any_file_is_read_or_refused_in_words(explain, oversight, rule):
    text = HEAD + section("[explain]", explain) + section("[oversight]", oversight)
    text += section("[[oversight.rules]]", rule)
    refused = None
    try:
        policy = parse_policy(text)
    except InputError as error:
        refused = str(error)
    else:
        assert isinstance(policy, Policy)
        schema = Draft202012Validator(policy_schema())
        assert list(schema.iter_errors(tomllib.loads(text))) == []  # what is read, the schema accepts
    assert refused is None or refused.isprintable()
