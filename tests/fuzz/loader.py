"""What must hold of the loader, whatever a repository says."""

from __future__ import annotations

import pickle
import random
import re
import time

import yaml
from meaning import check_readers, shuffled
from mutate import mutated
from seeds import Files

from schemas.decoding import decode
from schemas.desired import HostSpec
from schemas.errors import Mistake, SpecError
from schemas.events import parse
from schemas.findings import Findings
from schemas.load import Blob, Facts, load
from schemas.written import plain

SECONDS = 1.5
"""Of CPU, for a document of a few pages."""
HERE = Facts(fqdn="a", home="/home/u", user="u")


def try_loader(seed: int) -> None:
    """One repository. Raises AssertionError, or whatever the loader lets through."""
    chance = random.Random(seed)
    files = mutated(chance)
    facts = chance.choice((HERE, Facts()))
    begun = time.process_time()
    found = outcome(files, facts)
    assert time.process_time() - begun < SECONDS, "it takes too long"
    if isinstance(found, SpecError):
        assert found.mistakes
        for mistake in found.mistakes:
            check_mistake(mistake, files)
        assert str(found) == str(outcome(files, facts)), "not the same mistakes twice"
        return
    assert pickle.loads(pickle.dumps(found)) == found
    for path, data in files.items():
        if path.endswith(".yaml") and path in found.documents:
            check_meaning(path, data, slowly=chance.random() < 0.1)
    check_order(files, facts, found, chance)


def outcome(files: Files, facts: Facts) -> HostSpec | SpecError:
    """What the loader says."""
    try:
        return load({path: Blob(data) for path, data in files.items()}, "a", facts)
    except SpecError as error:
        return error


def check_mistake(mistake: Mistake, files: Files) -> None:
    """It stands where there is something, and reads as one line."""
    text = str(mistake)
    assert mistake.text and len(text) < 3000, text
    assert text.isprintable(), ascii(text)
    mark = mistake.mark
    if mark.line:
        decoded = files[mark.file].decode("utf-8-sig", "replace")
        lines = re.split(r"\r\n|\n|\r", decoded)
        assert mark.line <= len(lines) + 1, text
        around = lines[mark.line - 1] if mark.line <= len(lines) else ""
        assert mark.column <= len(around) + 1, text


def check_meaning(path: str, data: bytes, *, slowly: bool) -> None:
    """Others read what we read."""
    findings = Findings()
    root = parse(path, data, findings)
    text = decode(path, data, findings)
    assert root is not None and text is not None and not findings
    check_readers(text, root, slowly=slowly)


def check_order(files: Files, facts: Facts, found: HostSpec, chance: random.Random) -> None:
    """The order of keys means nothing."""
    turned = dict(files)
    for path in found.documents:
        root = parse(path, files[path], Findings())
        assert root is not None
        text = yaml.safe_dump(shuffled(plain(root), chance), sort_keys=False, allow_unicode=True, width=10**6)
        if re.search(r"[0-9]e[+-][0-9]", text):
            return  # a float so large that PyYAML writes it as we refuse to read it
        turned[path] = text.encode()
    again = outcome(turned, facts)
    assert isinstance(again, HostSpec), f"with its keys in another order it is refused: {again}"
    assert again.digest == found.digest, "with its keys in another order it is another"
