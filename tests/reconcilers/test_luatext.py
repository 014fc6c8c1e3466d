"""Values become Lua text that a real Lua gives back unchanged, whatever they hold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lua_values import run_lua, telling, told_by_lua

from reconcilers.luatext import is_name, quote, render_name, render_value
from schemas.desired import Lua
from schemas.secret import Secret

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["]]", "]==]", '"', "\\", "\0", "\r\n", "--[[", "\\\n", "\u202e", "\x7f", '"..os.exit().."']
)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([-(2**63), 2**63 - 1, -0.0, 5e-324, 1.7976931348623157e308, 1e22])
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.binary(max_size=20).map(Secret)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.integers(-(2**63), 2**63 - 1), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=40))
def test_lua_reads_back_what_was_written(values: list[object]) -> None:
    """Every value comes back as it was, byte for byte and bit for bit, and none changes its neighbours."""
    text = "local values = {\n" + "".join(render_value(value) + ",\n" for value in values) + "};\n"
    text += "for _, value in ipairs(values) do tell(value); end\n"
    assert told_by_lua(text) == [telling(value) for value in values]


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_a_quoted_text_is_one_line_of_visible_characters(text: str) -> None:
    """Nothing in it can end the line or hide: no control, no mark that turns the writing direction."""
    assert quote(text).isprintable()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_an_integer_beyond_64_bits_is_refused(number: int) -> None:
    """Lua would read it as a float, and so as another number."""
    with pytest.raises(ValueError, match="64 bits"):
        render_value(number)


@pytest.mark.parametrize("value", [math.inf, math.nan, None, b"x", {1.5: "x"}, {True: 1}, "\ud800"])
def test_what_lua_could_not_give_back_is_refused(value: object) -> None:
    """Also a surrogate, a boolean as a key, and bytes that nobody called a secret."""
    with pytest.raises(ValueError):
        render_value(value)


def test_a_value_nested_deeper_than_lua_reads_is_refused() -> None:
    """It would be an error of Lua's parser, far from its place."""
    value: object = 1
    for _ in range(300):
        value = [value]
    with pytest.raises(ValueError, match="levels"):
        render_value(value)


@pytest.mark.parametrize("expression", ["60 * 5 -- five minutes", "1 --", "{ 1, -- x\n 2 }"])
def test_a_comment_at_the_end_of_an_expression_swallows_nothing(expression: str) -> None:
    """The closing parenthesis stands on a line of its own."""
    text = f"x = {render_value(Lua(lua=expression))}; print(type(x) ~= 'nil');"
    assert run_lua(text) == b"true\n"


@pytest.mark.parametrize("name", ["end", "a-b", "1st", "ä", "", "_ENV", "x y", 'a"]=1; os.exit(); _ENV["b'])
def test_any_name_can_be_assigned(name: str) -> None:
    """A name that is no identifier goes by the environment, and cannot leave its quotes."""
    assert not is_name(name)
    text = f"_G.print = print; local before = _ENV; {render_name(name)} = 42; print(before[{quote(name)}]);"
    assert run_lua(text) == b"42\n"
