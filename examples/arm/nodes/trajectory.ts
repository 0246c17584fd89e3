/**
 * Minimum jerk from rest to rest: s(t) = 10t³ - 15t⁴ + 6t⁵ (Flash and Hogan, 1985). Position and velocity stay smooth,
 * so the joint is never asked for a jump.
 */
export class MinimumJerk {
  #from = 0;
  #to = 0;
  #seconds = 1;
  /** rad, and rad/s: what the last `sample` computed. */
  position = 0;
  velocity = 0;

  /** Starts a move; it takes `seconds`. */
  start(from: number, to: number, seconds: number): void {
    this.#from = from;
    this.#to = to;
    this.#seconds = seconds;
  }

  /** Computes position and velocity at a time, seconds after the start; before and after it stands still. */
  sample(seconds: number): void {
    const t = Math.min(Math.max(seconds / this.#seconds, 0), 1);
    const distance = this.#to - this.#from;
    this.position = this.#from + distance * t * t * t * (10 + t * (6 * t - 15));
    this.velocity = (distance * 30 * t * t * (1 - t) * (1 - t)) / this.#seconds;
  }
}
