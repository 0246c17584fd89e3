"""A simulated joint in place of hardware: a link on a motor, with friction and gravity."""

from math import cos


class SimulatedJoint:
    """One revolute joint; positions in rad (0 is horizontal), velocities in rad/s."""

    __slots__ = ("_period", "position", "velocity")

    INERTIA = 0.25  # kg·m²
    FRICTION = 0.4  # N·m·s/rad
    GRAVITY = 4.0  # N·m at horizontal

    def __init__(self, period):
        self._period = period
        self.position = 0.0
        self.velocity = 0.0

    def apply(self, effort):
        """Lets a torque act for one period (semi-implicit Euler)."""
        torque = effort - self.FRICTION * self.velocity - self.GRAVITY * cos(self.position)
        self.velocity += torque / self.INERTIA * self._period
        self.position += self.velocity * self._period
