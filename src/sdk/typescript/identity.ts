import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { moduleName, nodeName } from "./say.ts";

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
    platformId: firstLine("/etc/machine-id") || hostname(),
    pid: process.pid,
    uniqueId: `${randomUUID()}:${moduleName}:${hardwareAddress()}`,
  };
}

/** Empty when there is no such file: what it would say has a stand-in. */
function firstLine(path: string): string {
  try {
    return readFileSync(path, "ascii").split("\n")[0]?.trim() ?? "";
  } catch {
    return "";
  }
}

/** The address of the first network interface that has one, also of one that is not up yet: nodes start early. */
function hardwareAddress(): string {
  const none = "00:00:00:00:00:00";
  for (const name of interfaces()) {
    const address = firstLine(`/sys/class/net/${name}/address`);
    if (address.length === none.length && address !== none) return address;
  }
  // Not Linux.
  const addresses = Object.entries(networkInterfaces()).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return addresses.flatMap(([, list]) => list ?? []).find(({ mac }) => mac !== none)?.mac ?? none;
}

function interfaces(): string[] {
  try {
    return readdirSync("/sys/class/net").toSorted();
  } catch {
    return [];
  }
}
