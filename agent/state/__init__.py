"""What is remembered between passes, in one SQLite file that nothing else touches.

state     what the agent writes               view      what anyone may look at, beside a running agent
schema    the tables                          database  the file: made, opened, set aside, read, written
lock      one agent to a state directory      anchor    the second copy of the accepted revision
drift     what is news, and what returns      facts     what the state tells, as types
errors    what can go wrong
"""

from agent.state.anchor import Anchor
from agent.state.errors import AlreadyRunning, StateTooNew, StateUnusable
from agent.state.facts import Confirmation, Entry, HeldPlan, Sightings, Suspension
from agent.state.state import State
from agent.state.view import View

__all__ = [
    "AlreadyRunning",
    "Anchor",
    "Confirmation",
    "Entry",
    "HeldPlan",
    "Sightings",
    "State",
    "StateTooNew",
    "StateUnusable",
    "Suspension",
    "View",
]
