/** The trajectory planner: fifty times a second tells the controller where the joint is to be. */
import { DatagramSocket, PeriodicNode } from "rtnode";
import { isJointState, jointState, packSetPoint, SET_POINT_SIZE } from "./messages.ts";
import { MinimumJerk } from "./trajectory.ts";

const PERIOD = 0.02;
/** rad; the planner goes round them. */
const WAY_POINTS = [1.2, -0.6, 0.4];
const MOVE_SECONDS = 1.5;
const REST_SECONDS = 1.5;
/** A controller that has not reported for this long is gone. */
const SILENCE_CYCLES = Math.round(0.5 / PERIOD);

class Planner extends PeriodicNode {
  #socket!: DatagramSocket;
  #controller = 0;
  readonly #message = new Uint8Array(SET_POINT_SIZE);
  readonly #outgoing = new DataView(this.#message.buffer);
  #incoming!: DataView;
  readonly #move = new MinimumJerk();
  #sequence = 0;
  /** Cycles since the last report; more than SILENCE_CYCLES: nobody is there. */
  #silent = SILENCE_CYCLES + 1;
  #joint = 0;
  #wayPoint = -1;
  #cycle = 0;

  constructor() {
    super({ period: PERIOD, policy: "fifo", priority: 20 });
  }

  init(): number {
    this.#socket = new DatagramSocket("planner", 64);
    this.#controller = this.#socket.peer("controller");
    this.#incoming = new DataView(this.#socket.buffer.buffer);
    console.log("planner: waiting for the controller");
    return 0;
  }

  step(): number {
    const present = this.#silent <= SILENCE_CYCLES;
    this.#readReports();
    if (this.#silent > SILENCE_CYCLES) {
      if (present) console.log("planner: the controller is silent; waiting");
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
    this.#move.sample(this.#cycle * PERIOD);
    this.#sequence = (this.#sequence + 1) >>> 0;
    packSetPoint(this.#outgoing, this.#sequence, this.#move.position, this.#move.velocity);
    this.#socket.send(this.#controller, this.#message);
    return 0;
  }

  finalize(): number {
    this.#socket?.close();
    console.log(`planner: ${this.cycles} cycles, ${this.overruns} overruns`);
    return 0;
  }

  #readReports(): void {
    this.#silent += 1;
    for (let length = this.#socket.receive(); length >= 0; length = this.#socket.receive()) {
      if (!isJointState(this.#incoming, length)) continue;
      this.#joint = jointState.position(this.#incoming);
      this.#silent = 0;
    }
  }

  #goTo(wayPoint: number): void {
    this.#wayPoint = wayPoint;
    this.#cycle = 0;
    this.#move.start(this.#joint, WAY_POINTS[wayPoint] ?? 0, MOVE_SECONDS);
  }

  /** One line every few seconds, at rest, when nothing is urgent. */
  #report(): void {
    const error = Math.abs((WAY_POINTS[this.#wayPoint] ?? 0) - this.#joint);
    const place = `way-point ${this.#wayPoint + 1} of ${WAY_POINTS.length}`;
    console.log(`planner: ${place}: joint at ${this.#joint.toFixed(3)} rad, ${error.toFixed(3)} rad off`);
  }
}

await new Planner().main();
