"""What can be said to `prosodist`: the verbs, their arguments, and help that teaches.

Imported for what `agent.words` leaves to it, so it imports little but argparse.
"""

from __future__ import annotations

import argparse
import os

from agent.durations import read_duration

TYPE_CHECKING = False  # see agent/ask.py
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

USAGE = 64
"""EX_USAGE of sysexits.h: 1 and 2 mean something else to those who ask for detailed exit codes."""

_ABOUT = """Push to git; your Prosody follows.

prosodist watches a git repository that says what this host's XMPP server is to be, compares it with the host and
reconciles the difference. `run` is the agent itself; the other verbs ask the one that runs, or do its work once."""

_EXIT_CODES = """exit codes:
  0  done                       64  not understood
  1  failed                     75  held until `prosodist confirm`
  2  changes (where asked for)  77  the repository's offer was refused
130  interrupted                78  mistake in the settings"""

_RECONCILE_CODES = """exit codes:
  0 or 1; with --detailed-exitcode 0 in sync, 2 changed, 4 failures, 6 both, 1 could not run;
  75 held until `prosodist confirm`, 77 the repository's offer was refused, 78 mistake in the settings"""

_PLAN_CODES = (
    "exit codes:\n  0 or 1; with --detailed-exitcode 0 in sync, 2 changes, 1 error; 78 mistake in the settings"
)
_PLAIN_CODES = "exit codes:\n  0 done, 1 failed, 78 mistake in the settings"
_VALIDATE_CODES = "exit codes:\n  0 no mistake, 1 mistakes"

# verb: one line, more, examples, exit codes
_VERBS: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "run": (
        "be the agent",
        "Watch the repository and this host until SIGTERM. SIGHUP reads the settings again, SIGUSR1 reconciles now.",
        ("prosodist run", "prosodist run --config ~/xmpp/agent.yaml"),
        _PLAIN_CODES,
    ),
    "reconcile": (
        "make the host as git says, now",
        "Ask the running agent for a pass and wait for its end; with no agent running, make one pass.",
        ("prosodist reconcile", "prosodist reconcile --full --detailed-exitcode"),
        _RECONCILE_CODES,
    ),
    "plan": (
        "show what a pass would change",
        "Look, and change nothing. On a bare host only the first round can be foreseen.",
        ("prosodist plan", "prosodist plan -o json --detailed-exitcode"),
        _PLAN_CODES,
    ),
    "validate": (
        "check a directory of desired state",
        "Every mistake of every host, one a line as file:line:column; notes go to stderr. Needs no agent and no\n"
        "settings; fit for a pre-commit hook and for CI. With --config, this host is judged as this host.",
        (
            "prosodist validate",
            "prosodist validate ~/xmpp --host chat.example.org",
            "prosodist validate -o github             annotations for GitHub's pull requests",
        ),
        _VALIDATE_CODES,
    ),
    "show": (
        "show what all files of a host come to",
        "One document that says the same by itself, beside each line the place that said it. Secrets are references.",
        ("prosodist show chat.example.org", "prosodist show chat.example.org ~/xmpp -o json"),
        _PLAIN_CODES,
    ),
    "schema": (
        "print the JSON Schema of desired state, for editors",
        "Editors complete, explain and check by it. What speaks to yaml-language-server finds it by the first line of\n"
        "a file:  # yaml-language-server: $schema=../schema.json",
        ("prosodist schema > schema.json",),
        "exit codes:\n  0",
    ),
    "init": (
        "write a first repository for this host",
        "One commented file for this host and a page about the rest; what is there already is never touched.",
        ("prosodist init ~/xmpp", "prosodist init --host chat.example.org"),
        _PLAIN_CODES,
    ),
    "status": (
        "say how things are",
        "Revisions, whether the host is in sync and well, and what stands in the way.",
        ("prosodist status", "prosodist status -o json"),
        _PLAIN_CODES,
    ),
    "drift": (
        "list what others changed",
        "Objects that are not as they were last applied, by somebody else's hand, and are not corrected yet.",
        ("prosodist drift",),
        _PLAIN_CODES,
    ),
    "kept": (
        "list, show or restore what was kept",
        "What a person wrote is kept, encrypted to the host's age key, before it is corrected.",
        ("prosodist kept list", "prosodist kept show ID > former", "prosodist kept restore ID"),
        _PLAIN_CODES,
    ),
    "secret": (
        "make the host's key; encrypt, open and edit secrets",
        "Secrets lie in the repository as age files below secrets/; the document says {age: secrets/x.age}.\n"
        "Everybody who may open them, hosts and people, is a line in secrets/.recipients of the checkout.",
        (
            "prosodist secret keygen                      on each host; its line goes into secrets/.recipients",
            "prosodist secret encrypt > secrets/x.age     asks for it, unseen; else takes what is piped in",
            "prosodist secret edit secrets/x.age          opens $EDITOR; encrypts for everybody again",
            "prosodist secret decrypt secrets/x.age --identity ~/.ssh/id_ed25519",
        ),
        _PLAIN_CODES,
    ),
    "history": (
        "list what happened",
        "The events of the past, the newest first.",
        ("prosodist history", "prosodist history -n 100 -o json"),
        _PLAIN_CODES,
    ),
    "confirm": (
        "let the held plan be carried out",
        "Some plans wait for a person's word, such as the first that would replace a configuration made by hand.\n"
        "Prints the plan; it is carried out at once.",
        ("prosodist confirm",),
        _PLAIN_CODES,
    ),
    "accept": (
        "take a rewritten history",
        "A commit that does not descend from the newest accepted one is refused; this takes it all the same.",
        ("prosodist accept 4dd3b3e",),
        _PLAIN_CODES,
    ),
    "suspend": (
        "make no changes for a while",
        "The agent looks and reports, and changes nothing.",
        ("prosodist suspend --for 2h moving the disks", "prosodist suspend until the migration is done"),
        _PLAIN_CODES,
    ),
    "resume": ("make changes again", "Ends what `suspend` began.", ("prosodist resume",), _PLAIN_CODES),
    "version": ("print the version", "Of this program.", ("prosodist version",), "exit codes:\n  0"),
}


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal. argparse asks shutil for the width, which imports three compressors for it."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except (OSError, ValueError):
            columns = 80
        super().__init__(prog, width=max(columns, 42) - 2)


class Parser(argparse.ArgumentParser):
    """argparse, with an exit code of our own for what it does not understand, and no guessing of short forms."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            allow_abbrev=False,
            formatter_class=_Formatter,
            **options,  # type: ignore[arg-type]
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit 64."""
        self.exit(USAGE, f"prosodist: {message}; see `{self.prog} --help`\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """`verb`, `config` (None: the default), `output` (text or json) and what belongs to the verb. Exits with 64."""
    parser = Parser(prog="prosodist", description=_ABOUT, epilog=_EXIT_CODES)
    _add_common(parser, config=None, output="text")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    word = _verb_of(arguments)
    for verb in (word,) if word in _VERBS else _VERBS:  # thirteen parsers cost more than the answer
        line, more, examples, codes = _VERBS[verb]
        shown = "\n".join(f"  {example}" for example in examples)
        sub = verbs.add_parser(verb, help=line, description=more, epilog=f"examples:\n{shown}\n\n{codes}")
        more_forms = ("github",) if verb == "validate" else ()
        _add_common(sub, *more_forms, config=argparse.SUPPRESS, output=argparse.SUPPRESS)
        _add_own(verb, sub)
    if word is not None and word not in _VERBS:
        parser.error(f"{word}: no such verb; {_nearest(word)}")
    found = parser.parse_args(arguments)
    if found.verb is None:
        parser.error("no verb given")
    return found


def _add_common(parser: argparse.ArgumentParser, *more_forms: str, **defaults: object) -> None:
    parser.add_argument("--config", metavar="FILE", help="the settings", default=defaults["config"])
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "json", *more_forms),
        help="for people or for programs",
        default=defaults["output"],
    )


def _add_own(verb: str, sub: argparse.ArgumentParser) -> None:
    """The arguments of one verb."""
    match verb:
        case "reconcile":
            sub.add_argument("--full", action="store_true", help="look at everything, whatever is proved")
            sub.add_argument("--detailed-exitcode", action="store_true", help="tell by the exit code what happened")
        case "plan":
            sub.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when there are changes")
        case "validate":
            sub.add_argument("directory", metavar="DIR", nargs="?", default=".", help="what holds hosts/; here")
            sub.add_argument("--host", metavar="NAME", help="only this one")
        case "init":
            sub.add_argument("directory", metavar="DIR", nargs="?", default=".", help="where to write it; here")
            sub.add_argument("--host", metavar="NAME", help="the host that it is about; this machine's full name")
        case "show":
            sub.add_argument("host", metavar="HOST", help="as its file is named, without hosts/ and .yaml")
            sub.add_argument("directory", metavar="DIR", nargs="?", default=".", help="what holds hosts/; here")
        case "kept":
            deeds = sub.add_subparsers(dest="deed", metavar="list|show|restore", required=True)
            for deed in ("list", "show", "restore"):
                own = deeds.add_parser(deed)
                _add_common(own, config=argparse.SUPPRESS, output=argparse.SUPPRESS)
                if deed != "list":
                    own.add_argument("id", metavar="ID", help="as `prosodist kept list` names it")
        case "secret":
            _add_secret(sub)
        case "history":
            sub.add_argument("-n", dest="limit", metavar="NUMBER", type=_count, default=20, help="how many; 20")
        case "accept":
            sub.add_argument("revision", metavar="REVISION", help="a commit of the branch")
        case "suspend":
            sub.add_argument("--for", dest="seconds", metavar="TIME", type=_duration, help="30m, 2h, 1d; for good")
            sub.add_argument("reason", metavar="REASON", nargs="+", help="why; status shows it")


_SECRET_DEEDS = {
    "keygen": "make this host's age key unless it is there, and print the recipient that it opens secrets of",
    "encrypt": "stdin to stdout, for everybody in secrets/.recipients of the checkout that you stand in",
    "decrypt": "an age file, or stdin, to stdout, with this host's key or another",
    "edit": "open an age file in $VISUAL or $EDITOR, in memory alone; a file that is not there begins empty",
}


def _add_secret(sub: argparse.ArgumentParser) -> None:
    deeds = sub.add_subparsers(dest="deed", metavar="|".join(_SECRET_DEEDS), required=True)
    for deed, line in _SECRET_DEEDS.items():
        own = deeds.add_parser(deed, help=line, description=f"{line[0].upper()}{line[1:]}.")
        _add_common(own, config=argparse.SUPPRESS, output=argparse.SUPPRESS)
        if deed in ("decrypt", "edit"):
            own.add_argument("file", metavar="FILE", nargs=None if deed == "edit" else "?", help="an age file")
            own.add_argument("--identity", metavar="FILE", help="a key that opens it: age's, or SSH's; this host's")


def _verb_of(arguments: Sequence[str]) -> str | None:
    """The first word that is neither an option nor an option's value; none where help is asked for before it."""
    words = iter(arguments)
    for word in words:
        if word in ("-h", "--help"):
            return None
        if word in ("--config", "-o", "--output"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _nearest(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, _VERBS, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(_VERBS)}"


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 1 to 1000000")
    return int(text)


def _duration(text: str) -> float:
    if (seconds := read_duration(text)) is None:
        raise argparse.ArgumentTypeError(f"{text}: expected a duration, such as 30m, 2h or 1d")
    return seconds
