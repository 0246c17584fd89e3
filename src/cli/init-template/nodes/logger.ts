// Says once a second where the joint is. Not real-time.
import { PeriodicNode, Subscriber } from "rtnode";
import records from "./messages/records.json" with { type: "json" };

class Logger extends PeriodicNode {
  readonly #state = new Subscriber("joint_state", records.joint_state);

  constructor() {
    super({ period: 1, realtime: false });
  }

  override init(): number {
    return 0;
  }

  override step(): number {
    if (this.#state.receive() < 0) {
      this.log("no message yet");
      return 0;
    }
    const { target, position } = this.#state.message;
    this.log(`target ${target.toFixed(3)} rad, position ${position.toFixed(3)} rad`);
    return 0;
  }

  override finalize(): number {
    return 0;
  }
}

await new Logger().main();
