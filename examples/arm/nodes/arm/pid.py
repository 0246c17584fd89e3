"""PID on position with the set-point's velocity as feed-forward of the derivative."""


class Pid:
    __slots__ = ("_gains", "_integral", "_period")

    def __init__(self, gains, period):
        self._gains = gains
        self._period = period
        self._integral = 0.0

    def update(self, target, target_velocity, position, velocity):
        """The torque in N·m, within the motor's limit."""
        gains = self._gains
        error = target - position
        integral = self._integral + error * self._period
        effort = (
            gains.proportional * error
            + gains.integral * integral
            + gains.derivative * (target_velocity - velocity)
        )
        limit = gains.effort_limit
        if -limit <= effort <= limit:
            self._integral = integral
            return effort
        # At the limit the integral stands still, or it would wind up.
        return limit if effort > 0 else -limit
