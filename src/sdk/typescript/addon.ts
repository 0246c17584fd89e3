import { existsSync } from "node:fs";
import { arch, constants } from "node:os";
import { fileURLToPath } from "node:url";
import { say } from "./say.ts";

/** The functions of binding.c, which are those of rtnode.h. Every result is a small integer; a negative one is -errno. */
export interface Addon {
  ready(): number;
  stopping(): number;
  countBegin(name: string, identity: string): number;
  /** Fills in the members of report.ts's Summary, in their order. */
  countEnd(summary: Float64Array): number;
  watchCollections(): number;
  /** `period` in nanoseconds; `overrun` is an index of overrunPolicies. */
  loopBegin(period: number, overrun: number): number;
  /** How many steps were missed; -ECANCELED once SIGTERM or SIGINT came. */
  wait(): number;
  alive(): number;
  log(text: string): number;
  catchSignals(): number;
  stopRequested(): number;
  leave(status: number): never;
  /** `role` is 0 for a subscriber, 1 for the publisher. The arrays are those that publish and receive use. */
  topicOpen(name: string, layout: string, record: Uint8Array, published: Float64Array, role: 0 | 1): number;
  publish(topic: number): number;
  receive(topic: number): number;
  topicClose(topic: number): number;
}

/** True when rt-launch started this process. */
export const launched: boolean = process.env["RTNODE_LAUNCHED"] === "1";

/** The Node-API addon, part of the board's image; undefined by hand on another machine. */
export const addon: Addon | undefined = load(addonPath());

/** $RTNODE_ADDON, else the board's, else what `make` left in the source tree that this file is part of. */
function addonPath(): string {
  const onBoard = "/usr/lib/rtnode/rtnode.node";
  const named = process.env["RTNODE_ADDON"];
  if (named !== undefined || launched || existsSync(onBoard)) return named ?? onBoard;
  const architecture = arch() === "x64" ? "amd64" : arch();
  const inSources = fileURLToPath(new URL(`../../../build/device/${architecture}/rtnode.node`, import.meta.url));
  return existsSync(inSources) ? inSources : onBoard;
}

function load(path: string): Addon | undefined {
  const module = { exports: {} };
  try {
    process.dlopen(module, path, constants.dlopen.RTLD_NOW);
  } catch (error) {
    // On a board nothing stands in for it: timers of an event loop are no real-time loop.
    if (launched) throw error;
    say(`${path} is not there: the loop runs on timers, and topics reach nobody`);
    return undefined;
  }
  return module.exports as Addon;
}

/** A result of the addon in words: `EBUSY`. */
export function errorName(result: number): string {
  const name = Object.entries(constants.errno).find(([, value]) => value === -result)?.[0];
  return name ?? `errno ${-result}`;
}
