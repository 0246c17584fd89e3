import { accessSync, constants as access, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { addon } from "./addon.ts";
import type { Addon } from "./addon.ts";

/** Where the sockets are: $RTNODE_RUNTIME_DIR, else /run/rtnode on a board, else a folder of this user. */
export function runtimeDir(): string {
  const own = process.env["RTNODE_RUNTIME_DIR"];
  if (own !== undefined && own !== "") return own;
  try {
    accessSync("/run/rtnode", access.W_OK);
    return "/run/rtnode";
  } catch {
    // Not on a board.
    const path = join(tmpdir(), `rtnode-${process.getuid?.() ?? 0}`);
    mkdirSync(path, { mode: 0o700, recursive: true });
    return path;
  }
}

/**
 * A unix datagram socket that others reach under a name; nothing waits, and nothing allocates after construction.
 * Results are integers as in the Python SDK: 0 or a length, or a negative errno.
 * The constructor throws when there is no addon (by hand on another machine) or the name cannot be bound.
 */
export class DatagramSocket {
  /** The last datagram that `receive` took. */
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly path: string;
  readonly #native: Addon;
  readonly #descriptor: number;

  constructor(name: string, capacity = 1024) {
    if (addon === undefined) throw new Error("unix datagrams need rtnode.node: Node.js has none; set RTNODE_ADDON");
    this.#native = addon;
    this.path = socketPath(name);
    this.buffer = new Uint8Array(new ArrayBuffer(capacity));
    // What an earlier process of this name left behind.
    if (lstatSync(this.path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(this.path);
    this.#descriptor = checked(addon.datagramOpen(this.path), this.path);
  }

  /** A number that stands for the node's socket of that name, for `send`. At most 64 in one process. */
  peer(name: string): number {
    return checked(this.#native.datagramPeer(socketPath(name)), name);
  }

  /** 0; -ENOENT or -ECONNREFUSED when nobody has the address; -EAGAIN when the receiver's queue is full. */
  send(peer: number, data: Uint8Array): number {
    return this.#native.datagramSend(this.#descriptor, peer, data);
  }

  /** The length of the datagram now in `buffer`; -EAGAIN when there is none, -EMSGSIZE when it did not fit. */
  receive(): number {
    return this.#native.datagramReceive(this.#descriptor, this.buffer);
  }

  /** Closes the socket and removes its name. */
  close(): void {
    this.#native.datagramClose(this.#descriptor);
    unlinkSync(this.path);
  }
}

function socketPath(name: string): string {
  return join(runtimeDir(), `${name}.sock`);
}

function checked(result: number, what: string): number {
  if (result >= 0) return result;
  const name = Object.entries(constants.errno).find(([, value]) => value === -result)?.[0];
  throw new Error(`${what}: ${name ?? `errno ${-result}`}`);
}
