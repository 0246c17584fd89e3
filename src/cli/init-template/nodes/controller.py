"""Holds a (simulated) joint at its target, 100 times a second."""

import json
import math
from importlib import resources

from rtnode import PeriodicNode, Publisher

PERIOD = 0.01
RECORDS = json.loads(resources.files("messages").joinpath("records.json").read_text(encoding="utf-8"))


class Controller(PeriodicNode):
    __slots__ = ("integral", "state")

    def __init__(self):
        super().__init__(period=PERIOD)

    def init(self):
        """All that may wait: devices, files, topics. Everything the loop needs exists when this returns."""
        self.state = Publisher("joint_state", RECORDS["joint_state"])
        self.integral = 0.0
        return 0

    def step(self):
        """One cycle: read, compute, write. No waiting, no files, 0 to go on."""
        state = self.state.message
        state.target = math.sin(self.cycles * PERIOD)
        error = state.target - state.position
        self.integral += error * PERIOD
        # In place of a motor: the joint follows the command with a first-order lag.
        command = 8.0 * error + 4.0 * self.integral
        state.position += command * PERIOD
        return self.state.publish()

    def finalize(self):
        """Always called: bring the machine to rest, then write what is to be kept."""
        return 0


if __name__ == "__main__":
    Controller().main()
