/**
 * Real-time nodes of a robot: one node, one file, one process. A node derives from PeriodicNode (a step every period) or
 * RTNode (its own loop), and its file ends with `await new MyNode().main()`. On a board `rt-launch` starts the bundled
 * file; by hand it runs anywhere, and says once what it could not get.
 */
export { DatagramSocket, runtimeDir } from "./datagram.ts";
export type { Identity } from "./identity.ts";
export { BaseNode, RTNode, STATUS_SOFTWARE } from "./node.ts";
export type { RTOptions, Status } from "./node.ts";
export { PeriodicNode, STATUS_OVERRUN } from "./periodic.ts";
export type { OverrunPolicy, PeriodicOptions } from "./periodic.ts";
