"""The nouns: what git may say, what a plan is, what is remembered. No I/O anywhere in this storey.

desired/    HostSpec and its parts: one file for each part of the language
events      YAML events → nodes, which carry their marks; notation: what two readers read differently is refused
documents   a host's file and what it extends; spell: short forms, in full; names: <name> → its value
shape       which rules of combining hold where; combine: layers and bodies → one document
model       nodes → models, pydantic's complaints → ours; kinds, references, check: rules between things
notyet      what the language has and this version does not do yet: one table
load        a tree of files and the name of a host → HostSpec, or every mistake at once
plan        the actions; Holds, Change, Wait; Plan; Activation
record      what is remembered between passes
secret      a value that prints as ***
errors      the error tree, and the place of a mistake
"""
