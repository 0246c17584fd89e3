"""Real-time nodes of a robot: one node, one file, one process.

A node derives from :class:`PeriodicNode` (a step every period) or :class:`RTNode` (its own loop), and its file ends with
``if __name__ == "__main__": MyNode().main()``. Only the standard library is needed; on a board ``rt-launch`` starts the
file, by hand ``python3 node.py`` does, and the node says once what it could not get.
"""

from ._identity import Identity
from ._node import STATUS_SOFTWARE, BaseNode, RTNode
from ._periodic import STATUS_OVERRUN, PeriodicNode
from ._topic import Publisher, Subscriber

__all__ = [
    "STATUS_OVERRUN",
    "STATUS_SOFTWARE",
    "BaseNode",
    "Identity",
    "PeriodicNode",
    "Publisher",
    "RTNode",
    "Subscriber",
]
