"""A submodule is another repository: what a host would take from it is not in the commit."""

from __future__ import annotations

import pytest

from schemas.documents import Blob
from schemas.errors import SpecError
from schemas.load import Facts, load


@pytest.mark.parametrize(
    "entry",
    ["{source: files/sub}", "{source: files/sub/x}", "{tree: files}", "{tree: files/sub}", "{tree: files/sub/x}"],
)
def test_what_lies_in_a_submodule_is_told(entry: str) -> None:
    """And never left out in silence, however it is named."""
    tree = {
        "hosts/a.yaml": Blob(f"profile: debian\nfiles: {{/srv/x: {entry}}}\n".encode()),
        "files/own": Blob(b"x"),
        "files/sub": Blob(b"", submodule=True),
    }
    with pytest.raises(SpecError) as error:
        load(tree, "a", Facts())
    (mistake,) = error.value.mistakes
    assert "files/sub is a submodule, which is another repository; put" in mistake.text
