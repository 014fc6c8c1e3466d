"""The verbs of `prosodist secret`, as a person uses them: the real command line, real keys, real editors."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pyrage
import pytest

CHECKOUT = Path(__file__).parents[2]
SECRET = "correct-horse-battery-4711"
NEW = "wrong-horse-flat-battery-0815"


class Desk:
    """A checkout with settings and a host's key, and a person with a home."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.checkout = root, root / "home", root / "checkout"
        self.key, self.recipients = root / "keys/age", self.checkout / "secrets/.recipients"
        for directory in (self.home, self.home / "tmp", self.checkout / ".git", self.checkout / "secrets/deep"):
            directory.mkdir(parents=True)
        self.settings = root / "agent.yaml"
        self.settings.write_text(f"repository: {root}\nage_key: {self.key}\nhome: {self.home}\n")
        self.file = self.checkout / "secrets/it.age"

    def start(self, *words: str, editor: str = "false", where: Path | None = None) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "agent", "secret", *words, "--config", str(self.settings)]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "EDITOR": editor,
        }
        pipe = subprocess.PIPE
        directory = where or self.checkout
        return subprocess.Popen(argv, cwd=directory, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)

    def run(
        self, *words: str, stdin: bytes = b"", code: int = 0, editor: str = "false", where: Path | None = None
    ) -> tuple[bytes, str]:
        """What it printed and what it said; neither is ever the secret but where it was asked for."""
        process = self.start(*words, editor=editor, where=where)
        printed, said = process.communicate(stdin, 60)
        assert process.returncode == code, (words, process.returncode, printed, said)
        return printed, said.decode()

    def script(self, text: str) -> str:
        """An editor of one's own: the file's path is $1."""
        path = self.root / "editor.sh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def seen(self, *more: Path) -> list[Path]:
        """Every file of this person, and every file where programs put temporary ones, that holds the secret."""
        files = [path for place in (self.root, *more) for path in place.rglob("*")]
        files += [path for place in ("/tmp", "/var/tmp", "/dev/shm") for path in Path(place).glob("*")]
        return [path for path in files if path.is_file() and os.access(path, os.R_OK) and _holds(path)]


def _holds(path: Path) -> bool:
    try:
        content = path.read_bytes() if path.stat().st_size < 2**24 else b""
    except OSError:
        return False  # somebody else's, and gone
    return SECRET.encode() in content or NEW.encode() in content


@pytest.fixture
def bare(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One on which the verbs made a key and encrypted a secret; others are given copies of these."""
    first = Desk(tmp_path_factory.mktemp("first"))
    printed, _ = first.run("keygen")
    first.recipients.write_bytes(b"# this host\n\n" + printed)
    first.file.write_bytes(first.run("encrypt", stdin=SECRET.encode() + b"\n")[0])
    first.file.chmod(0o600)
    return first


@pytest.fixture
def desk(bare: Desk, first: Desk) -> Desk:
    """With the host's key, as the one recipient."""
    shutil.copytree(first.key.parent, bare.key.parent)
    shutil.copy(first.recipients, bare.recipients)
    return bare


@pytest.fixture
def sealed(desk: Desk, first: Desk) -> Desk:
    """With one secret."""
    shutil.copy(first.file, desk.file)
    return desk


# --- keygen ---------------------------------------------------------------------------------------------------


def test_keygen_makes_a_key_once(bare: Desk) -> None:
    """0600, and its recipient is printed alone, each time the same."""
    printed, said = bare.run("keygen")
    assert printed.startswith(b"age1") and printed.count(b"\n") == 1
    assert "made" in said
    assert stat.S_IMODE(bare.key.stat().st_mode) == 0o600
    key = bare.key.read_bytes()
    again, said = bare.run("keygen")
    assert (again, bare.key.read_bytes()) == (printed, key)
    assert "was there" in said
    told = json.loads(bare.run("keygen", "-o", "json")[0])
    assert told == {"recipient": printed.decode().strip(), "file": str(bare.key), "made": False}
    assert b"AGE-SECRET-KEY" not in printed + said.encode()


def test_keygen_takes_an_ssh_key_that_is_there(bare: Desk) -> None:
    """A host's ed25519 key serves as well; one behind a passphrase, or open to others, is refused."""
    bare.key.parent.mkdir()
    _ssh_key(bare.key)
    public = bare.key.with_suffix(".pub").read_bytes()
    assert public.startswith(bare.run("keygen")[0].strip())
    bare.recipients.write_bytes(public)
    sealed, _ = bare.run("encrypt", stdin=SECRET.encode())
    assert bare.run("decrypt", stdin=sealed)[0] == SECRET.encode()
    bare.key.chmod(0o640)
    assert "others may use this key" in bare.run("keygen", code=78)[1]
    for path in bare.key.parent.iterdir():
        path.unlink()
    _ssh_key(bare.key, passphrase="open")
    assert "behind a passphrase" in bare.run("keygen", code=78)[1]


def _ssh_key(path: Path, passphrase: str = "") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True, timeout=30)


# --- encrypt and decrypt --------------------------------------------------------------------------------------


def test_everybody_in_the_checkout_opens_what_is_encrypted(desk: Desk) -> None:
    """Hosts and people, by age and by SSH, from anywhere in the checkout; a stranger does not."""
    own = desk.home / "id_ed25519"
    _ssh_key(own)
    with desk.recipients.open("ab") as file:
        file.write(own.with_suffix(".pub").read_bytes())
    sealed, _ = desk.run("encrypt", stdin=f"{SECRET}\n".encode(), where=desk.checkout / "secrets/deep")
    assert sealed.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert desk.run("decrypt", stdin=sealed)[0] == f"{SECRET}\n".encode()
    desk.file.write_bytes(sealed)
    assert desk.run("decrypt", str(desk.file), "--identity", str(own))[0] == f"{SECRET}\n".encode()

    desk.key.unlink()
    printed, said = desk.run("decrypt", str(desk.file), code=1)
    assert (printed, "there is no key here" in said) == (b"", True)
    stranger, _ = desk.run("keygen")
    printed, said = desk.run("decrypt", str(desk.file), code=1)
    assert printed == b""
    assert f"{desk.file}: is not encrypted to this key; add {stranger.decode().strip()} to secrets/.recipients" in said


def test_at_a_terminal_a_secret_is_typed_unseen(desk: Desk) -> None:
    """Asked for, and not echoed; what goes to stdout is the age file alone."""
    argv = [sys.executable, "-m", "agent", "secret", "encrypt", "--config", str(desk.settings)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    pid, terminal = pty.fork()
    if pid == 0:
        os.dup2(os.open(desk.file, os.O_WRONLY | os.O_CREAT), 1)
        os.chdir(desk.checkout)
        os.execve(sys.executable, argv, environment)
    shown = b""
    while b"not shown" not in shown:
        shown += os.read(terminal, 1000)
    time.sleep(0.2)  # until the echo is off
    os.write(terminal, SECRET.encode() + b"\n")
    with contextlib.suppress(OSError):  # how a terminal says that nobody is there any more
        while chunk := os.read(terminal, 1000):
            shown += chunk
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    assert SECRET.encode() not in shown
    assert desk.run("decrypt", str(desk.file))[0] == SECRET.encode()
    assert "nothing in it" in desk.run("encrypt", code=1)[1]


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"", "is no age file"), (b"hunter2", "is no age file"), (b"age-encryption.org/v1\n-> X", "is cut short")],
)
def test_what_is_no_age_file_is_told(desk: Desk, data: bytes, what: str) -> None:
    """And not repeated."""
    printed, said = desk.run("decrypt", stdin=data, code=1)
    assert (printed, what in said, "hunter2" in said) == (b"", True, False)


def test_each_mistake_of_the_recipients_is_told_at_its_line(desk: Desk) -> None:
    """Nothing is encrypted for fewer than all, and a secret key is not repeated."""
    key = str(pyrage.x25519.Identity.generate())
    first = desk.recipients.read_text()
    cut = first.splitlines()[-1][:-1]
    desk.recipients.write_text(f"{first}{key}\n{cut}\nssh-rsa AAAA ana\nssh-ed25519 AAAA\n{cut}q # mine\n")
    printed, said = desk.run("encrypt", stdin=SECRET.encode(), code=1)
    assert printed == b""
    lines = [line.removeprefix(f"prosodist: {desk.recipients}:") for line in said.splitlines()]
    assert [line.split(":")[0] for line in lines] == ["4", "5", "6", "7", "8"]
    assert "secret key" in lines[0] and key not in said
    assert "no whole recipient" in lines[1] and "no whole recipient" in lines[3]
    assert "expected age1" in lines[2] and "a line of its own" in lines[4]
    desk.recipients.write_text("# nobody\n")
    assert "no recipient in it" in desk.run("encrypt", stdin=SECRET.encode(), code=1)[1]


def test_the_page_gives_recipients_that_are_read(desk: Desk) -> None:
    """What docs/operations.md writes into the file, and the way it gives to encrypt everything again."""
    page = (CHECKOUT / "docs/operations.md").read_text()
    own = desk.recipients.read_text()
    desk.recipients.write_text(own + page.partition("secrets/.recipients <<END\n")[2].partition("END\n")[0])
    desk.file.write_bytes(desk.run("encrypt", stdin=SECRET.encode())[0])
    loop = re.findall(r"```sh\n(for .*?)```", page, re.DOTALL)[0]
    own_key = f"-m agent secret decrypt --config {desk.settings}"
    loop = loop.replace("prosodist secret decrypt", f"{sys.executable} {own_key}").replace(
        "--identity ~/.ssh/id_ed25519 | prosodist", f"| {sys.executable} -m agent"
    )
    desk.recipients.write_text(own)
    before = desk.file.read_bytes()
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run(["sh", "-euc", loop], cwd=desk.checkout, env=environment, check=True, timeout=60)
    assert desk.file.read_bytes() != before
    assert desk.run("decrypt", str(desk.file))[0] == SECRET.encode()


def test_recipients_are_those_of_this_checkout_only(desk: Desk) -> None:
    """A checkout in another, without a file of its own, encrypts for nobody; and nothing is no secret."""
    inner = desk.checkout / "inner"
    (inner / ".git").mkdir(parents=True)
    said = desk.run("encrypt", stdin=SECRET.encode(), code=1, where=inner)[1]
    assert f"{inner}/secrets/.recipients: there is no such file" in said
    assert "nothing in it" in desk.run("encrypt", stdin=b"\n", code=1)[1]
    assert "over 1 MiB" in desk.run("encrypt", stdin=b"x" * 2**20, code=1)[1].replace("has over", "over")


# --- edit -----------------------------------------------------------------------------------------------------


def test_an_edit_is_encrypted_for_everybody_again(sealed: Desk) -> None:
    """In the file's own form, with its own mode."""
    for armored in (True, False):
        if not armored:
            recipient = pyrage.x25519.Recipient.from_str(sealed.recipients.read_text().splitlines()[-1])
            sealed.file.write_bytes(pyrage.encrypt(SECRET.encode(), [recipient]))
        sealed.run("edit", str(sealed.file), editor=sealed.script(f'grep -q {SECRET} "$1" && echo {NEW} > "$1"'))
        assert sealed.run("decrypt", str(sealed.file))[0] == f"{NEW}\n".encode()
        assert sealed.file.read_bytes().startswith(b"-----BEGIN") is armored
        assert stat.S_IMODE(sealed.file.stat().st_mode) == 0o600
        sealed.file.write_bytes(sealed.run("encrypt", stdin=SECRET.encode())[0])
    left = sorted(path.name for path in sealed.file.parent.iterdir())
    assert left == [".recipients", "deep", "it.age"]


def test_what_is_not_changed_is_not_touched(sealed: Desk) -> None:
    """Encrypted anew it would be another file for git."""
    before = sealed.file.read_bytes(), sealed.file.stat().st_ino
    _, said = sealed.run("edit", str(sealed.file), editor=sealed.script('cat "$1" > /dev/null'))
    assert "not changed" in said
    assert (sealed.file.read_bytes(), sealed.file.stat().st_ino) == before


def test_a_new_file_begins_empty(desk: Desk) -> None:
    """The usual way to write a secret down for the first time; left empty there is no file."""
    desk.run("edit", "secrets/it.age", editor=desk.script(f'test ! -s "$1" && echo {NEW} > "$1"'))
    assert desk.run("decrypt", str(desk.file))[0] == f"{NEW}\n".encode()
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o644
    desk.run("edit", "secrets/other.age", editor=desk.script("true"))
    assert not (desk.file.parent / "other.age").exists()


@pytest.mark.parametrize(
    ("editor", "what"),
    [
        ('echo nonsense > "$1"; exit 3', "ended with status 3"),
        ('sed -i s/horse/mouse/ "$1"', "must write the file in its place"),
        ('mv "$0" "$1"', "must write the file in its place"),
        (': > "$1"', "there is nothing in it"),
        ("kill -9 $$", "ended with status -9"),
    ],
)
def test_an_editor_that_fails_changes_nothing(sealed: Desk, editor: str, what: str) -> None:
    """Nor does one that writes a new file and renames it, for which there is no place."""
    before = sealed.file.read_bytes()
    _, said = sealed.run("edit", str(sealed.file), code=1, editor=sealed.script(editor))
    assert what in said
    assert sealed.file.read_bytes() == before
    assert SECRET not in said
    assert sealed.seen() == []


def test_no_editor_is_told(sealed: Desk) -> None:
    """By the name that was given."""
    assert "there is no editor 'no-such'" in sealed.run("edit", str(sealed.file), code=1, editor="no-such -x")[1]
    assert "open quote" in sealed.run("edit", str(sealed.file), code=1, editor="vi 'x")[1]


def test_mistakes_of_recipients_come_before_the_work(sealed: Desk) -> None:
    """They must not cost what was typed."""
    sealed.recipients.write_text("age1\n")
    editor = sealed.script('touch "$HOME/edited"')
    assert (
        ".recipients:1:1: this is no whole recipient" in sealed.run("edit", str(sealed.file), code=1, editor=editor)[1]
    )
    assert not (sealed.home / "edited").exists()


# --- where a secret is not ------------------------------------------------------------------------------------


def test_while_it_is_edited_it_is_in_no_file(sealed: Desk) -> None:
    """Nor in the arguments or the environment of anybody."""
    editor = sealed.script(
        'cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline /proc/$PPID/environ > "$HOME/processes"\n'
        'grep -rl horse "$HOME" "$TMPDIR" "$HOME/../checkout" > "$HOME/found"\n'
        f'readlink "$1" > "$HOME/link"; ulimit -c > "$HOME/core"; echo {NEW} > "$1"'
    )
    sealed.run("edit", str(sealed.file), editor=editor)
    (sealed.root / "editor.sh").unlink()  # it names the new one itself
    assert (sealed.home / "found").read_text() == ""
    assert (sealed.home / "link").read_text() == "/memfd:prosodist/secret (deleted)\n"
    assert (sealed.home / "core").read_text() == "0\n"
    assert b"editor.sh" in (sealed.home / "processes").read_bytes()
    assert sealed.seen() == []


@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGABRT, signal.SIGTERM, signal.SIGHUP])
def test_killed_amid_an_edit_it_leaves_nothing(sealed: Desk, killed_by: signal.Signals) -> None:
    """No file, no core, and the age file as it was."""
    before = sealed.file.read_bytes()
    started = sealed.home / "started"
    os.mkfifo(started)
    editor = sealed.script(f'echo {NEW} > "$1"; sleep 60 & echo $! > "$HOME/sleeper"; echo > "$HOME/started"; wait')
    process = sealed.start("edit", str(sealed.file), editor=editor)
    started.read_bytes()
    process.send_signal(killed_by)
    process.wait(30)
    sleeper = sealed.home / "sleeper"
    children = map(int, sleeper.read_text().split() if sleeper.exists() else ())
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    (sealed.root / "editor.sh").unlink()
    assert sealed.file.read_bytes() == before
    assert SECRET.encode() not in said and NEW.encode() not in said
    assert sealed.seen() == []


def test_a_disk_that_takes_nothing_leaves_the_file_as_it_was(sealed: Desk) -> None:
    """The mistake is told without the secret, and without a traceback."""
    before = sealed.file.read_bytes()
    editor = sealed.script(f'printf {NEW} > "$1"; prlimit --pid $PPID --fsize=0:0')
    _, said = sealed.run("edit", str(sealed.file), code=1, editor=editor)
    (sealed.root / "editor.sh").unlink()
    assert said.endswith(f"prosodist: {sealed.file}: it cannot be written (File too large), so it is as it was\n")
    assert sealed.file.read_bytes() == before
    assert sealed.seen() == []


FAULT = """
import sys, importlib
place, name = sys.argv.pop(1).rsplit(".", 1)
def failing(*_, **__):
    raise RuntimeError("a fault of ours")
setattr(importlib.import_module(place), name, failing)
from agent.cli import main
sys.exit(main())
"""
"""The command line, with a fault planted in one function."""


@pytest.mark.parametrize("fault", ["agent.secretfiles.seal", "agent.durable.replace", "agent.editing.attend"])
def test_a_fault_of_ours_tells_no_secret(sealed: Desk, fault: str) -> None:
    """Its traceback shows lines of the program and no values."""
    editor = sealed.script(f'printf {NEW} > "$1"')
    argv = [sys.executable, "-c", FAULT, fault, "secret", "edit", str(sealed.file), "--config", str(sealed.settings)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "EDITOR": editor}
    ended = subprocess.run(argv, env=environment, cwd=sealed.checkout, capture_output=True, timeout=60)
    (sealed.root / "editor.sh").unlink()
    said = ended.stdout + ended.stderr
    assert b"Traceback" in said and b"a fault of ours" in said
    assert SECRET.encode() not in said and NEW.encode() not in said
    assert sealed.seen() == []


def test_vim_keeps_no_copy_whatever_its_settings_say(sealed: Desk) -> None:
    """No swap, backup, undo or history, although this person's vim is told to keep all of them."""
    for name in ("b", "s", "u"):
        (sealed.home / name).mkdir()
    (sealed.home / ".vimrc").write_text(
        "set backup writebackup backupdir=~/b undofile undodir=~/u swapfile directory=~/s updatecount=1\n"
        "set viminfo='100,<100,s100 viminfofile=~/.viminfo\n"
    )
    editor = f"vim -es -u {sealed.home}/.vimrc -c '%y' -c '%s/correct/another/' -c 'silent! preserve' -c wq"
    sealed.run("edit", str(sealed.file), editor=editor)
    assert sealed.run("decrypt", str(sealed.file))[0] == SECRET.replace("correct", "another").encode() + b"\n"
    left = [path for path in sealed.home.rglob("*") if path.is_file() and b"horse" in path.read_bytes()]
    assert left == []
    assert [*(sealed.home / "b").iterdir(), *(sealed.home / "u").iterdir(), *(sealed.home / "s").iterdir()] == []


def test_a_pipe_without_a_writer_is_not_waited_for(desk: Desk) -> None:
    """Nobody can push one, but a checkout may hold one; what somebody writes to a pipe is opened."""
    desk.run("keygen")
    pipe = desk.checkout / "secrets/pipe.age"
    os.mkfifo(pipe)
    _, said = desk.run("decrypt", str(pipe), code=1)
    assert "pipe.age" in said
    sealed = pyrage.encrypt(SECRET.encode(), [pyrage.x25519.Recipient.from_str(desk.run("keygen")[0].decode().strip())])
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, sealed)
    process = desk.start("decrypt", str(pipe))
    while str(pipe.resolve()) not in _opened(process.pid):
        time.sleep(0.01)
    os.close(writer)
    assert process.communicate(timeout=60)[0].decode().strip() == SECRET


def _opened(pid: int) -> set[str]:
    """What a process has open; what it closes meanwhile may be missed."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(link))
    return found
