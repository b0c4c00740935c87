"""Child processes that jobs, uploads and predictions run in, apart from the server and from one another.

A child is forked, warm, from a server that has only imported the libraries. It has its own session and process
group, no sockets or files of ours, an environment without secrets, a memory limit and a time limit, and it ends
with its owner: when the owner or the fork server is gone, the kernel kills the whole group.

    server = SandboxServer()
    server.start()                      # returns at once, warms behind
    child = server.fork()               # ahead of the task
    result = child.run(train, spec, limits=Limits(seconds=600, memory_bytes=2 * GIB), on_message=report)

The sandbox contains accidents (crashes, leaks, runaway fits); it is no wall against hostile code: a process
that leaves its session on purpose is not followed.
"""

from skyulf.reactions.sandbox.child import Child
from skyulf.reactions.sandbox.outcomes import (
    ChildCancelled,
    ChildDied,
    ChildFailed,
    ChildTimedOut,
    Limits,
    SandboxError,
    Send,
)
from skyulf.reactions.sandbox.server import SandboxServer
from skyulf.reactions.sandbox.serving import AsyncChild

__all__ = [
    "AsyncChild",
    "Child",
    "ChildCancelled",
    "ChildDied",
    "ChildFailed",
    "ChildTimedOut",
    "Limits",
    "SandboxError",
    "SandboxServer",
    "Send",
]
