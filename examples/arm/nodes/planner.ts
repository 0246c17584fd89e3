/** The trajectory planner: fifty times a second tells the controller where the joint is to be. */
import { PeriodicNode, Publisher, Subscriber } from "rtnode";
import records from "./arm/messages.json" with { type: "json" };
import { MinimumJerk } from "./trajectory.ts";

const PERIOD = 0.02;
/** rad; the planner goes round them. */
const WAY_POINTS = [1.2, -0.6, 0.4];
const MOVE_SECONDS = 1.5;
const REST_SECONDS = 1.5;
/** A controller that has not reported for this long is gone. */
const SILENCE_CYCLES = Math.round(0.5 / PERIOD);
/** V8 compiles what runs this often. */
const REHEARSALS = 20_000;

class Planner extends PeriodicNode {
  #setPoint!: Publisher<typeof records.set_point>;
  #state!: Subscriber<typeof records.joint_state>;
  readonly #move = new MinimumJerk();
  /** Cycles since the last report; more than SILENCE_CYCLES: nobody is there. */
  #silent = SILENCE_CYCLES + 1;
  #wayPoint = -1;
  #cycle = 0;

  constructor() {
    super({ period: PERIOD, policy: "fifo", priority: 20 });
  }

  override init(): number {
    this.#setPoint = new Publisher("set_point", records.set_point);
    this.#state = new Subscriber("joint_state", records.joint_state);
    console.log("planner: waiting for the controller");
    return 0;
  }

  override warmUp(): number {
    this.#move.start(0, 1, MOVE_SECONDS);
    for (let i = 0; i < REHEARSALS; i += 1) this.#lead((MOVE_SECONDS * i) / REHEARSALS);
    return 0;
  }

  override step(): number {
    const present = this.#silent <= SILENCE_CYCLES;
    this.#silent = this.#state.receive() === 1 ? 0 : this.#silent + 1;
    if (this.#silent > SILENCE_CYCLES) {
      if (present) this.log("the controller is silent; waiting");
      return 0;
    }
    // A controller that comes (back) is led on from where its joint is.
    const elapsed = this.#cycle * PERIOD;
    if (!present) this.#goTo(0);
    else if (elapsed >= MOVE_SECONDS + REST_SECONDS) {
      this.#report();
      this.#goTo((this.#wayPoint + 1) % WAY_POINTS.length);
    }
    this.#cycle += 1;
    this.#lead(this.#cycle * PERIOD);
    return this.#setPoint.publish();
  }

  override finalize(): number {
    console.log(`planner: ${this.cycles} cycles, ${this.overruns} overruns`);
    return 0;
  }

  /** Sets the set-point of a time, seconds since the move began. */
  #lead(seconds: number): void {
    this.#move.sample(seconds);
    const { message } = this.#setPoint;
    message.position = this.#move.position;
    message.velocity = this.#move.velocity;
  }

  #goTo(wayPoint: number): void {
    this.#wayPoint = wayPoint;
    this.#cycle = 0;
    this.#move.start(this.#state.message.position, WAY_POINTS[wayPoint] ?? 0, MOVE_SECONDS);
  }

  /** One line every few seconds, at rest, when nothing is urgent. */
  #report(): void {
    const joint = this.#state.message.position;
    const error = Math.abs((WAY_POINTS[this.#wayPoint] ?? 0) - joint);
    const place = `way-point ${this.#wayPoint + 1} of ${WAY_POINTS.length}`;
    this.log(`${place}: joint at ${joint.toFixed(3)} rad, ${error.toFixed(3)} rad off`);
  }
}

await new Planner().main();
