"""The joint controller: every millisecond reads the joint, computes a torque, and applies it."""

from arm.gains import load_gains
from arm.joint import SimulatedJoint
from arm.messages import RECORDS
from arm.pid import Pid
from rtnode import PeriodicNode, Publisher, Subscriber

PERIOD = 0.001


class Controller(PeriodicNode):
    __slots__ = ("_joint", "_pid", "_set_point", "_state")

    def __init__(self):
        super().__init__(period=PERIOD, policy="fifo", priority=40)

    def init(self):
        self._pid = Pid(load_gains(), PERIOD)
        self._joint = SimulatedJoint(PERIOD)
        self._set_point = Subscriber("set_point", RECORDS["set_point"])
        # Nobody has said where to go: stay.
        self._set_point.message.position = self._joint.position
        self._state = Publisher("joint_state", RECORDS["joint_state"])
        return 0

    def step(self):
        # A planner that is not there (yet, or just now) leaves the last set-point: the arm holds it.
        self._set_point.receive()
        target, joint, state = self._set_point.message, self._joint, self._state.message
        effort = self._pid.update(target.position, target.velocity, joint.position, joint.velocity)
        joint.apply(effort)
        state.position, state.velocity, state.effort = joint.position, joint.velocity, effort
        return self._state.publish()

    def finalize(self):
        print(f"controller: {self.cycles} cycles, {self.overruns} overruns")
        return 0


if __name__ == "__main__":
    Controller().main()
