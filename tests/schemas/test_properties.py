"""What holds of every document, found by trying many."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from meaning import check_readers, shuffled, typed

from schemas.combine import Combiner
from schemas.errors import Mark, SpecError
from schemas.events import parse
from schemas.findings import Findings
from schemas.load import Blob, Facts, load
from schemas.nodes import Node, plain_data
from schemas.shape import HOST
from schemas.written import plain

quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What a person might type unquoted: the marks that readers disagree on, in every mixture.
words = st.text(alphabet="0123456789._-+:eExXobtTzZ~=<yYnNoOfF aT", min_size=1, max_size=12)
near_words = st.sampled_from(
    [
        "yes",
        "NO",
        "On",
        "~",
        "null",
        "Null",
        "0x1f",
        "0b1",
        "0o7",
        "1_0",
        "1e3",
        "-.INF",
        ".NaN",
        "1:30",
        "2026-11-21",
        "=",
        "0.10",
    ]
)
keys = st.text(alphabet="abcdefgh", min_size=4, max_size=6).map(lambda text: "k" + text)
leaves = st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6).map(lambda f: round(f, 3)) | words
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def agrees(text: str) -> None:
    """What loads without a mistake, others read the same."""
    findings = Findings()
    root = parse("f", text.encode(), findings)
    if findings or root is None:
        return
    check_readers(text, root)


@settings(max_examples=300, deadline=None)
@given(words | near_words)
def test_what_loads_unquoted_means_the_same_to_every_reader(word: str) -> None:
    """Alone, in a list, in a flow map and as a key."""
    agrees(f"key: {word}\n")
    agrees(f"key: [{word}, x]\n")
    agrees(f"key: {{sub: {word}}}\n")
    agrees(f"{word}: value\n")
    agrees(f"key:\n  - {word}\n")


@quick
@given(st.dictionaries(keys, values, min_size=1, max_size=4), st.booleans())
def test_what_another_program_writes_is_read_as_it_was_meant(document: dict[str, Any], flow: bool) -> None:
    """PyYAML quotes what it must; what it leaves open to others is refused, never misread."""
    text = yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True)
    findings = Findings()
    root = parse("f", text.encode(), findings)
    if not findings:
        assert root is not None
        assert typed(plain(root)) == typed(document)
    agrees(text)


@quick
@given(st.binary(max_size=60) | st.text(alphabet="ab:{}[]-?!&*|>'\"%@` \n\t#,", max_size=40).map(str.encode))
def test_no_bytes_bring_it_down(raw: bytes) -> None:
    """A document or mistakes, never a traceback."""
    with pytest.raises(SpecError):
        load({"hosts/a.yaml": Blob(raw + b"\nno_profile: 1")}, "a", Facts())


def load_options(*layers: dict[str, Any]) -> Any:
    tree = {f"shared/{n}.yaml": Blob(yaml.safe_dump({"prosody": layer}).encode()) for n, layer in enumerate(layers)}
    host = {"profile": "local", "extends": list(tree)}
    tree["hosts/a.yaml"] = Blob(yaml.safe_dump(host).encode())
    return load(tree, "a", Facts())


safe_leaves = st.booleans() | st.integers(-999, 999) | st.text(alphabet="ghijkl", min_size=3, max_size=5)
safe_values = st.recursive(
    safe_leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, min_size=1, max_size=3),
    max_leaves=6,
)
scopes = st.dictionaries(keys, safe_values, min_size=1, max_size=4)


@quick
@given(scopes, scopes, st.randoms())
def test_the_order_of_keys_never_matters(far: dict[str, Any], near: dict[str, Any], chance: random.Random) -> None:
    """Not to what is wanted, and not to its digest."""
    first = load_options(far, near)
    second = load_options(shuffled(far, chance), shuffled(near, chance))
    assert first.digest == second.digest
    assert first.host == second.host


@quick
@given(scopes, st.data())
def test_null_forgets_only_what_was_there(scope: dict[str, Any], draw: st.DataObject) -> None:
    """The key that it names and nothing else; where there is none, it is a mistake."""
    gone = draw.draw(st.sampled_from(sorted(scope)))
    left = load_options(scope, {gone: None}).host.prosody.options
    rest = {key: value for key, value in scope.items() if key != gone}
    assert left == load_options(rest).host.prosody.options
    with pytest.raises(SpecError) as refused:
        load_options(scope, {"never_said": None})
    assert [m.subject for m in refused.value.mistakes] == ["prosody.never_said"]


@quick
@given(scopes, scopes)
def test_a_layer_over_itself_changes_nothing(far: dict[str, Any], near: dict[str, Any]) -> None:
    """Said twice is said once."""
    assert load_options(far, near, near).host == load_options(far, near).host


# Where a layer says of a place whether it is a map, all do: a text between two maps forgets the first of them.
plain_layers = st.fixed_dictionaries(
    {},
    optional={
        "leaf_one": safe_leaves | st.lists(safe_leaves, max_size=2),
        "leaf_two": st.just({"lua": "60 * 5"}) | safe_leaves,
        "map_one": st.dictionaries(keys, safe_leaves, max_size=3),
        "map_two": st.dictionaries(keys, st.dictionaries(keys, safe_leaves, max_size=2), max_size=2),
    },
)
file_layers = st.dictionaries(
    st.sampled_from(["/a", "/b"]),
    st.fixed_dictionaries(
        {}, optional={"content": safe_leaves, "source": safe_leaves, "template": safe_leaves, "mode": safe_leaves}
    ).map(lambda file: {k: v for k, v in file.items() if k == "mode" or k == next(iter(file))}),
)


def node_of(value: Any) -> Node:
    findings = Findings()
    root = parse("f", yaml.safe_dump({"top": value}).encode(), findings)
    assert root is not None and not findings
    return root.entries["top"].value


@quick
@given(st.tuples(plain_layers, plain_layers, plain_layers) | st.tuples(file_layers, file_layers, file_layers))
def test_combining_is_associative(layers: tuple[Any, Any, Any]) -> None:
    """Key by key, for values and for kinds: two files become one without a difference to what comes before or after."""
    shape = HOST.below("files") if any("/" in key for layer in layers for key in layer) else HOST.below("prosody")
    far, middle, near = map(node_of, layers)

    def over(*nodes: Node | None) -> Node | None:
        findings = Findings()
        found = Combiner(names={}, findings=findings).combine([node for node in nodes if node is not None], shape)
        assert not findings
        return found

    whole = over(far, middle, near)
    for parted in (over(over(far, middle), near), over(far, over(middle, near))):
        assert (parted is None) == (whole is None)
        assert parted is None or whole is None or plain_data(parted) == plain_data(whole)


def test_a_file_over_16_mebibytes_is_not_parsed() -> None:
    """It is refused by its size."""
    with pytest.raises(SpecError) as refused:
        load({"hosts/a.yaml": Blob(b"#" * (16 * 2**20 + 1))}, "a", Facts())
    assert [(m.mark, m.text) for m in refused.value.mistakes] == [
        (Mark("hosts/a.yaml"), "the file has 16777217 bytes, but may have 16777216; split it by extends")
    ]


def test_other_encodings_are_refused() -> None:
    """UTF-16, Latin-1; a byte order mark of UTF-8 does no harm."""
    for raw in ("profile: local".encode("utf-16"), b"profile: local # \xe9"):
        with pytest.raises(SpecError, match="is not UTF-8"):
            load({"hosts/a.yaml": Blob(raw)}, "a", Facts())
    assert load({"hosts/a.yaml": Blob(b"\xef\xbb\xbfprofile: local")}, "a", Facts()).host.profile == "local"
