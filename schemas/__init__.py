"""The nouns: what git may say, what a plan is, what is remembered. No I/O anywhere in this storey.

desired/    HostSpec and its parts: one file for each part of the language
nodes       YAML events → nodes that carry their marks; everything that two readers read differently is refused
combine     extends, bodies, short forms, null, add and remove
load        a tree of files and the name of a host → HostSpec, or every mistake at once
plan        the actions; Holds, Change, Wait; Plan; Activation
record      what is remembered between passes
secret      a value that prints as ***
errors      the error tree, and the place of a mistake
"""
