"""The joint controller: every millisecond reads the joint, computes a torque, and applies it."""

from arm.gains import load_gains
from arm.joint import SimulatedJoint
from arm.messages import SetPoint, pack_joint_state, unpack_set_point
from arm.pid import Pid
from rtnode import DatagramSocket, PeriodicNode

PERIOD = 0.001
REPORT_EVERY = 20  # cycles: 50 reports a second, the planner's rate


class Controller(PeriodicNode):
    __slots__ = ("_joint", "_pid", "_planner", "_report", "_sequence", "_socket", "_target")

    def __init__(self):
        super().__init__(period=PERIOD, policy="fifo", priority=40)

    def init(self):
        gains = load_gains()
        self._pid = Pid(gains, PERIOD)
        self._joint = SimulatedJoint(PERIOD)
        # Nobody has said where to go: stay.
        self._target = SetPoint(0, self._joint.position, 0.0)
        self._socket = DatagramSocket("controller", capacity=64)
        self._planner = self._socket.peer("planner")
        self._report = bytearray(64)
        self._sequence = 0
        return 0

    def step(self):
        self._read_set_points()
        joint = self._joint
        effort = self._pid.update(self._target.position, self._target.velocity, joint.position, joint.velocity)
        joint.apply(effort)
        if self.cycles % REPORT_EVERY == 0:
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            length = pack_joint_state(self._report, self._sequence, joint.position, joint.velocity, effort)
            # A planner that is not there (yet, or just now) misses a report: the arm holds its last set-point.
            self._socket.send(self._planner, memoryview(self._report)[:length])
        return 0

    def finalize(self):
        if hasattr(self, "_socket"):
            self._socket.close()
        print(f"controller: {self.cycles} cycles, {self.overruns} overruns")
        return 0

    def _read_set_points(self):
        """Takes what has arrived; the last one counts, and what is no set-point is ignored."""
        while (length := self._socket.receive()) >= 0:
            self._target = unpack_set_point(self._socket.buffer, length) or self._target


if __name__ == "__main__":
    Controller().main()
