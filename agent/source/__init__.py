"""Git: fetch a branch into a mirror of our own, choose a commit, read its files. The only place that speaks git.

source    what is fetched, and what may be taken         mirror    our bare repository, which mends itself
remote    keys, host keys, and what went wrong in words   bundle    the second copy of what must not be lost
tree      the files of one revision, or of a directory    local     a repository on the same disk, to watch
"""

from typing import TYPE_CHECKING, Any

from agent.source.tree import Tree, directory_tree

if TYPE_CHECKING:
    from agent.source.source import Source

__all__ = ["Source", "Tree", "directory_tree"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """`Source` brings pygit2, which those who read a directory can do without."""
    if name == "Source":
        from agent.source.authorities import unread

        with unread():
            from agent.source.source import Source

        return Source
    raise AttributeError(name)
