"""The hands and the clock: everything that touches the world, and when.

cli        the command line, and the only wiring          settings   what the host says of itself
loop       startup, wait, pass, record, shutdown            watch      what wakes us
converge   rounds: observe, plan, check, apply, activate  trace      a proof that nothing need be looked at again
source     git                                            host       files, processes: the door to the machine
stage      a candidate configuration, checked             health     is Prosody well
state      what is remembered (SQLite)                    kept       what people wrote, before we changed it
control    the running agent's socket                     report     the same facts for people and for machines
bounded    load and render, within time and memory        log        structlog
"""

import os

os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
"""Else pydantic lets any package that is installed beside the agent into it, once it has looked through them all."""
