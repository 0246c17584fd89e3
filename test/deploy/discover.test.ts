import { decode, encode } from "dns-packet";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { discover } from "../../src/deploy/discover.ts";

const GROUP = "224.0.0.251";
const LOOPBACK = "127.0.0.1";
const SERVICE = "_rtkit._tcp.local";

let responder: Socket | undefined;
afterEach(() => {
  responder?.close();
  responder = undefined;
});

/** A board on the loopback that answers every question with all that it is, on a port of its own; and its port. */
async function respond(): Promise<number> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  responder = socket;
  socket.bind(0);
  await once(socket, "listening");
  socket.addMembership(GROUP, LOOPBACK);
  socket.setMulticastInterface(LOOPBACK);
  const { port } = socket.address();
  const name = `arm.${SERVICE}`;
  socket.on("message", (bytes) => {
    if (bytes.length < 12 || decode(bytes).type !== "query") return;
    const answer = encode({
      type: "response",
      answers: [{ type: "PTR", name: SERVICE, data: name }],
      additionals: [
        { type: "SRV", name, data: { target: "arm.local", port: 22 } },
        { type: "TXT", name, data: ["board=rpi4"] },
        { type: "A", name: "arm.local", data: "10.0.0.7" },
      ],
    });
    socket.send(Buffer.from("not for us"), port, GROUP);
    socket.send(answer, port, GROUP);
  });
  return port;
}

it("asks on an interface, and hears who answers to all", async () => {
  const port = await respond();
  const { signal } = new AbortController();
  expect(await discover({ seconds: 1, names: [], signal, interfaces: [LOOPBACK], port })).toEqual([
    { name: "arm.local", addresses: ["10.0.0.7"], port: 22, board: "rpi4", version: null },
  ]);
});

it("finds nothing where there is no such interface, and ends when it is told to", async () => {
  const { signal } = new AbortController();
  expect(await discover({ seconds: 0.1, names: [], signal, interfaces: ["192.0.2.1"] })).toEqual([]);
  const abort = new AbortController();
  const looking = discover({ seconds: 60, names: [], signal: abort.signal, interfaces: [LOOPBACK], port: 1 });
  abort.abort(new Error("interrupted"));
  await expect(looking).rejects.toThrow();
});
