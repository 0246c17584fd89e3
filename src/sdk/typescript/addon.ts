import { constants } from "node:os";
import { say } from "./say.ts";

/** The functions of binding.c. Every result is a small integer; a negative one is -errno. */
export interface Addon {
  /** The array that `now` and `sleepUntil` use: [now, deadline], nanoseconds of CLOCK_MONOTONIC. */
  attach(times: Float64Array): number;
  now(): number;
  sleepUntil(): number;
  started(): number;
  catchSignals(): number;
  stopRequested(): number;
  leave(status: number): never;
  datagramOpen(path: string): number;
  datagramPeer(path: string): number;
  datagramSend(descriptor: number, peer: number, data: Uint8Array): number;
  datagramReceive(descriptor: number, data: Uint8Array): number;
  datagramClose(descriptor: number): number;
}

/** True when rt-launch started this process. */
export const launched: boolean = process.env["RTNODE_LAUNCHED"] === "1";

/** The Node-API addon, part of the board's image; undefined by hand on another machine. */
export const addon: Addon | undefined = load(process.env["RTNODE_ADDON"] ?? "/usr/lib/rtnode/rtnode.node");

function load(path: string): Addon | undefined {
  const module = { exports: {} };
  try {
    process.dlopen(module, path, constants.dlopen.RTLD_NOW);
  } catch (error) {
    // On a board nothing stands in for it: timers of an event loop are no real-time loop.
    if (launched) throw error;
    say(`${path} is not there: the loop runs on timers, and there are no datagrams`);
    return undefined;
  }
  return module.exports as Addon;
}
