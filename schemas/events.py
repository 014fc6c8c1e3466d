"""YAML events → nodes.

From the C parser's events, iteratively: composing segfaults on deep nesting and resolves aliases, and PyYAML's own
scalars read `010` as 8. What may never stand in a file (anchors, tags, a key twice, …) is told here, all of it at
once, and the tree is built as far as it goes, so that one mistake does not hide another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from sys import intern
from typing import Any, TypeAlias

import yaml
from yaml._yaml import CParser

from schemas.decoding import count_breaks, decode
from schemas.errors import Mark
from schemas.findings import Enough, Findings
from schemas.nodes import Entry, Key, List, Map, Node, Scalar, describe
from schemas.notation import Disputed, Plain, quoted, read_plain, shortened

DEEPEST = 32
MOST_VALUES = 100_000
"""Keys, values, lists and maps of one file: what a second and 100 MB are enough for."""

_TAB = "a tab indents this line; indent with spaces"
_DIRECTIVE = "a % directive stands before the document; take it out"
_NO_START = "did not find expected <document start>"
_BEGUN = ("a quoted scalar", "a flow sequence", "a flow mapping")
"""What libyaml says of texts and lists that are still open; their beginning may be far above."""
_MERGE_KEY = "the merge key << may not stand here; share values by extends"
_TAB_INDENT = re.compile(r"(?:\A|\r\n?|\n) *\t")

Event: TypeAlias = Any
"""One of PyYAML's; their attributes are untyped."""


def parse(file: str, data: bytes, findings: Findings) -> Map | None:
    """One file. None when nothing of it can be used; what is wrong goes into `findings`."""
    text = decode(file, data, findings)
    if text is None:
        return None
    if not text.strip("\r\n "):
        text = ""  # however many lines of it: the parser would go through all of them
    builder = _Builder(file, text, findings)
    try:
        builder.run()
    except Enough:
        findings.lose_the_rest()
        return None
    root = builder.root
    if isinstance(root, Map):
        return root
    if builder.broken:
        return None
    if root is None or (isinstance(root, Scalar) and root.value is None):
        findings.break_off(
            Mark(file, 1, 1), "the file is empty; a file of this repository is a map, such as profile: local"
        )
    else:
        findings.break_off(root.mark, f"expected a map, found {describe(root)}; write key: value")
    return None


class _Open:
    """A collection that has not ended yet."""

    __slots__ = ("entries", "is_map", "items", "key", "mark")

    def __init__(self, mark: Mark, *, is_map: bool) -> None:
        self.mark = mark
        self.is_map = is_map
        self.items: list[Node] = []
        self.entries: dict[Key, Entry] = {}
        self.key: tuple[Key | None, Mark] | None = None  # read, its value to come; a key of None was refused

    def close(self) -> Node:
        return Map(self.mark, self.entries) if self.is_map else List(self.mark, tuple(self.items))


class _Builder:
    """Turns the events of one file into nodes."""

    def __init__(self, file: str, text: str, findings: Findings) -> None:
        self.root: Node | None = None
        self.broken = False
        self._file = file
        self._text = text
        self._findings = findings
        self._open: list[_Open] = []
        self._documents = 0
        self._values = 0
        self._torn = False
        self._last: Mark | None = None
        self._anchors: set[str] = set()
        self._texts: list[range] = []  # lines inside of quoted and block texts, where a tab is content

    def run(self) -> None:
        """Read to the end, or to what cannot be read."""
        parser = CParser(self._text)
        takes: dict[type[Event], Callable[[Event], bool]] = {  # false: there is no use in reading on
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        try:
            for event in iter(parser.get_event, None):
                take = takes.get(type(event))
                if take is not None and not take(event):
                    break
                if self._values > MOST_VALUES:
                    text = f"the file has over {MOST_VALUES} values; split it by extends"
                    self._findings.break_off(self._mark(event), text)
                    raise Enough
        except yaml.MarkedYAMLError as error:
            self._stumble(error)
        finally:
            parser.dispose()
        self._torn = bool(self._open)
        if self.broken and self._last is not None:
            self._findings.doubt(self._last)
        while self._open:  # what was begun before the file broke off still holds its mistakes and its `extends`
            node = self._open.pop().close()
            if isinstance(node, List):
                self._findings.doubt(node.mark)
            self._place(node)
        self._refuse_tabs()

    def _begin(self, event: Event) -> bool:
        mark = self._mark(event)
        if event.anchor is not None or event.tag is not None:
            self._refuse_marks(event, mark)
        if len(self._open) >= DEEPEST:
            self._break_off(mark, f"the value lies deeper than {DEEPEST} levels; write it flatter")
            return False
        self._open.append(_Open(mark, is_map=type(event) is yaml.MappingStartEvent))
        return True

    def _end(self, _: Event) -> bool:
        self._place(self._open.pop().close())
        return True

    def _alias(self, event: Event) -> bool:
        mark, name = self._mark(event), shortened(event.anchor)
        if event.anchor in self._anchors:
            text = f"the alias *{name} may not stand here; write the value, or share it by extends"
            self._break_off(mark, text)  # it could have stood for anything
        else:
            self._findings.refuse(mark, f'to YAML *{name} is an alias, and none may stand here; quote it: "*{name}"')
        self._place(Scalar(mark, "", ""))
        return True

    def _document(self, event: Event) -> bool:
        self._documents += 1
        mark = self._mark(event)
        if self._documents > 1:
            self._findings.refuse(mark, "a second document begins here; one file holds one, so take the --- out")
            return False
        if event.version or event.tags:
            self._findings.refuse(mark, _DIRECTIVE)
        return True

    def _refuse_marks(self, event: Event, mark: Mark) -> None:
        if event.anchor is not None:
            self._anchors.add(event.anchor)
            text = f"the anchor &{shortened(event.anchor)} may not stand here; share values by extends"
            self._findings.refuse(mark, text)
        if event.tag is not None:
            tag = shortened(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self._findings.refuse(mark, f"the tag {tag} may not stand here; take it out, and quote what is text")

    def _scalar(self, event: Event) -> bool:
        mark = self._last = self._mark(event)
        if event.anchor is not None or event.tag is not None:
            self._refuse_marks(event, mark)
        written: str = event.value
        value: Plain = written
        if event.style:
            self._note_lines(event)
        else:
            try:
                value = read_plain(written)
            except Disputed as error:
                self._findings.refuse(mark, _of_key(written, error) if self._expects_key() else str(error))
        around = self._open[-1] if self._open else None
        if around and around.is_map and around.key is None and type(value) is str and value not in around.entries:
            self._values += 1
            around.key = intern(value), mark  # nearly every key; the others are looked at as the nodes that they are
        else:
            self._place(Scalar(mark, value, written))
        return True

    def _expects_key(self) -> bool:
        return bool(self._open) and self._open[-1].is_map and self._open[-1].key is None

    def _place(self, node: Node) -> None:
        """Put a finished node where it belongs."""
        self._values += 1
        if not self._open:
            self.root = node
            return
        around = self._open[-1]
        if not around.is_map:
            around.items.append(node)
        elif around.key is None:
            around.key = self._key(node, around), node.mark
        else:
            key, mark = around.key
            around.key = None
            if key is not None:
                around.entries[key] = Entry(mark, node)

    def _key(self, node: Node, around: _Open) -> Key | None:
        """None when this can be no key of the map around it."""
        value = node.value if isinstance(node, Scalar) else None
        if type(value) is not str and type(value) is not int:
            if not self._torn:
                self._refuse_key(node)
            return None
        former = around.entries.get(value)
        if former is None or self._torn:
            return value
        text = f"{shortened(str(value))} stands here twice, first in line {former.mark.line}; take one out"
        self._findings.refuse(node.mark, text)
        return None

    def _refuse_key(self, node: Node) -> None:
        written = node.written if isinstance(node, Scalar) else ""
        found = "nothing" if isinstance(node, Scalar) and not written else describe(node)
        hint = f"; write {quoted(shortened(written))}" if written else ""
        self._findings.refuse(node.mark, f"expected a text or an integer as a key, found {found}{hint}")

    def _mark(self, event: Event) -> Mark:
        start = event.start_mark
        return Mark(self._file, start.line + 1, start.column + 1)

    def _break_off(self, mark: Mark, text: str) -> None:
        self.broken = True
        self._findings.break_off(mark, text)

    def _stumble(self, error: yaml.MarkedYAMLError) -> None:
        at: Any = error.problem_mark or error.context_mark
        line, column = (at.line + 1, at.column + 1) if at else (1, 1)
        if line in self._lines_with_tabs():
            self.broken = True  # the tab is told with the others
            self._findings.break_off(Mark(self._file, line, 1), _TAB)
            return
        problem = str(error.problem or "unknown trouble")
        text = _IN_OUR_WORDS.get(problem, f"this is no YAML: {problem}")
        if problem == _NO_START and not self._documents:
            text = _DIRECTIVE
        begun: Any = error.context_mark
        if begun and begun.line + 1 < line and str(error.context).endswith(_BEGUN):
            text += f"; it begins in line {begun.line + 1}"
        self._break_off(Mark(self._file, line, column), text)

    def _refuse_tabs(self) -> None:
        texts = iter([*self._texts, range(0)])
        text = next(texts)
        for line in self._lines_with_tabs():
            while text and text[-1] < line:
                text = next(texts)
            if line not in text:
                self._findings.refuse(Mark(self._file, line, 1), _TAB)

    def _lines_with_tabs(self) -> Iterator[int]:
        line, seen = 1, 0
        for match in _TAB_INDENT.finditer(self._text):
            line += count_breaks(self._text, seen, match.end())
            seen = match.end()
            yield line

    def _note_lines(self, event: Event) -> None:
        first, end = event.start_mark.line + 2, event.end_mark
        last = end.line if event.style in "|>" and end.column == 0 else end.line + 1
        if first <= last:
            self._texts.append(range(first, last + 1))


def _of_key(written: str, error: Disputed) -> str:
    """A key is never a boolean, so for `n` or `on` there is one thing to write."""
    if written == "<<":
        return _MERGE_KEY
    text, _, instead = str(error).rpartition("; write ")
    return f"{text}; write {quoted(written)}" if ", or " in instead else str(error)


_IN_OUR_WORDS = {
    "mapping values are not allowed in this context": (
        'a ": " stands where no key can; quote the text, or begin the key on a line of its own; a key above '
        "may lack the space after its colon"
    ),
    "did not find expected key": "a key was expected here; look at the indentation, quote what holds : # { or [",
    "did not find expected '-' indicator": "expected another - item here; look at the indentation",
    "did not find expected ',' or ']'": "the list in [ ] is not closed here; write , or ]",
    "did not find expected ',' or '}'": "the map in { } is not closed here; write , or }",
    "could not find expected ':'": "this line is no key: value; write the colon, or quote the text",
    "found unexpected end of stream": "the file ends inside a quoted text; close the quotes",
    _NO_START: "the document has ended above, and one file holds one; take its ... out",
    "did not find expected node content": "a value was expected here; quote what begins with : , ] or }",
    "did not find expected alphabetic or numeric character": 'no text can begin with * or & unquoted; write "*"',
    "did not find expected comment or line break": "the text of | or > begins on the next line; break the line here",
    "block sequence entries are not allowed in this context": (
        "a list stands here on the line of its key; write [ITEM, ITEM], or each - on a line of its own"
    ),
    "found character that cannot start any token": "a text cannot begin with this character; quote it",
    "found unknown escape character": "this escape is not known in double quotes; write \\\\ for a backslash",
}
