"""Git: fetch a branch into a mirror of our own, choose a commit, read its files. The only place that speaks git.

source    what is fetched, and what may be taken         mirror    our bare repository, which mends itself
remote    keys, host keys, and what went wrong in words   bundle    the second copy of what must not be lost
tree      the files of one revision, or of a directory    local     a repository on the same disk, to watch
authorities  whom an https repository has to be known to
"""

from agent.source import authorities

with authorities.unread():
    import pygit2  # noqa: F401

from agent.source.source import Source
from agent.source.tree import Tree, directory_tree

__all__ = ["Source", "Tree", "directory_tree"]
