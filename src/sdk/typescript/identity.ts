import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { nodeName } from "./say.ts";

/** The names of one running node. */
export interface Identity {
  /** Its name in the project file, or its file's name when started by hand. */
  readonly node: string;
  /** The machine: /etc/machine-id (machine-id(5)), else the host name. */
  readonly platformId: string;
  readonly pid: number;
  /** `UUID:module:hardware address`: another one at every start, on every machine. */
  readonly uniqueId: string;
}

/** The identity of this process. */
export function identify(): Identity {
  return {
    node: nodeName,
    platformId: machineId() ?? hostname(),
    pid: process.pid,
    uniqueId: `${randomUUID()}:${nodeName}:${hardwareAddress()}`,
  };
}

function machineId(): string | undefined {
  try {
    const id = readFileSync("/etc/machine-id", "ascii").trim();
    return id === "" ? undefined : id;
  } catch {
    // Systems without systemd have none; the host name stands in.
    return undefined;
  }
}

function hardwareAddress(): string {
  const none = "00:00:00:00:00:00";
  const addresses = Object.entries(networkInterfaces()).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return addresses.flatMap(([, list]) => list ?? []).find(({ mac }) => mac !== none)?.mac ?? none;
}
