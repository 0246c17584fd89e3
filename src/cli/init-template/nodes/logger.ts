// Writes down once a second where the joint is. Not real-time: it may print and wait.
import { DatagramSocket, PeriodicNode } from "rtnode";

class Logger extends PeriodicNode {
  #socket: DatagramSocket | undefined;
  #state = "no message yet";

  constructor() {
    super({ period: 0.1, realtime: false });
  }

  override init(): number {
    this.#socket = new DatagramSocket("logger");
    return 0;
  }

  override step(): number {
    const socket = this.#socket;
    if (socket === undefined) return 1;
    // Takes all that came since; a negative length means that there is no more.
    for (let length = socket.receive(); length > 0; length = socket.receive()) {
      const view = new DataView(socket.buffer.buffer, 0, length);
      const [target, position] = [view.getFloat64(8, true), view.getFloat64(16, true)];
      this.#state = `target ${target.toFixed(3)} rad, position ${position.toFixed(3)} rad`;
    }
    if (this.cycles % 10 === 0) process.stdout.write(`${this.#state}\n`);
    return 0;
  }

  override finalize(): number {
    this.#socket?.close();
    return 0;
  }
}

await new Logger().main();
