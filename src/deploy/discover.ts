import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { learner, type FoundBoard } from "./mdns.ts";

/** How to look for boards. */
export interface DiscoverOptions {
  readonly seconds: number;
  /** Host names (`arm.local`) to ask for besides the boards that announce themselves. */
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  /** For tests: IPv4 addresses of our interfaces, and mDNS's port. */
  readonly interfaces?: readonly string[];
  readonly port?: number;
}

/** mDNS's group of IPv4 and its port (RFC 6762, 3). */
const GROUP = "224.0.0.251";
const PORT = 5353;

/** Questions are asked again after this, ms, then after twice as long (RFC 6762, 5.2): Wi-Fi loses multicasts. */
const FIRST_PAUSE_MS = 250;

/** Asks on every interface (IPv4) who is there, and listens for a while. */
export async function discover(options: DiscoverOptions): Promise<FoundBoard[]> {
  const { seconds, names, signal, interfaces = ownAddresses(), port = PORT } = options;
  const { learn, queries, boards } = learner(names);
  const sockets: Socket[] = [];
  try {
    for (const address of interfaces) {
      for (const own of [port, 0]) {
        const socket = await openSocket(address, own);
        if (socket === undefined) continue;
        sockets.push(socket);
        socket.on("message", (bytes, { address: from }) => learn({ bytes, from }));
      }
    }
    const until = performance.now() + seconds * 1000;
    for (let pause = FIRST_PAUSE_MS; performance.now() < until; pause *= 2) {
      for (const query of queries()) {
        for (const socket of sockets) socket.send(query, port, GROUP, () => undefined);
      }
      await sleep(Math.max(1, Math.min(pause, until - performance.now())), undefined, { signal });
    }
    return boards();
  } finally {
    for (const socket of sockets) socket.close();
  }
}

/** One address of each interface that may have neighbours. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses
      .filter(({ family, internal }) => family === "IPv4" && !internal)
      .slice(0, 1)
      .map(({ address }) => address),
  );
}

/**
 * A socket that asks on one interface. Of mDNS's own port, which other programs have too: the answer goes to all of the
 * network, and through a firewall that lets mDNS in. Of a port of its own (0): it comes to us alone (RFC 6762, 6.7), also
 * from this machine. Undefined where a port is not to be had, or an interface has no multicast or is gone.
 */
async function openSocket(address: string, port: number): Promise<Socket | undefined> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  // After this there is none that would matter: an interface that goes away, a packet that is refused.
  socket.on("error", () => undefined);
  try {
    socket.bind(port);
    await once(socket, "listening");
    socket.addMembership(GROUP, address);
    socket.setMulticastInterface(address);
    socket.setMulticastTTL(TTL);
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}

/** What all mDNS packets have (RFC 6762, 11). */
const TTL = 255;
