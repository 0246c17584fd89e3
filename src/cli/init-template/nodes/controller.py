"""Holds a (simulated) joint at its target, 100 times a second."""

import math
import struct

from rtnode import DatagramSocket, PeriodicNode

PERIOD = 0.01
STATE = struct.Struct("<qdd")
"""What is sent: cycle, target and position in radians."""


class Controller(PeriodicNode):
    __slots__ = ("integral", "logger", "message", "position", "socket")

    def __init__(self):
        super().__init__(period=PERIOD, realtime=True, policy="fifo", priority=40)
        self.position = 0.0
        self.integral = 0.0
        # Everything the loop needs exists before it starts.
        self.message = bytearray(STATE.size)
        self.socket = None
        self.logger = DatagramSocket.peer("logger")

    def init(self):
        """All that may wait: devices, files, sockets."""
        self.socket = DatagramSocket("controller")
        return 0

    def step(self):
        """One cycle: read, compute, write. No waiting, no files, 0 to go on."""
        target = math.sin(self.cycles * PERIOD)
        error = target - self.position
        self.integral += error * PERIOD
        # In place of a motor: the joint follows the command with a first-order lag.
        command = 8.0 * error + 4.0 * self.integral
        self.position += command * PERIOD
        if self.cycles % 10 == 0:
            STATE.pack_into(self.message, 0, self.cycles, target, self.position)
            # Nobody listening is no reason to stop.
            self.socket.send(self.logger, self.message)
        return 0

    def finalize(self):
        """Always called: bring the machine to rest, then write what is to be kept."""
        if self.socket is not None:
            self.socket.close()
        print(f"controller: {self.cycles} cycles, {self.overruns} overruns, joint at {self.position:.3f} rad")
        return 0


if __name__ == "__main__":
    Controller().main()
