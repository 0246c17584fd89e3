/**
 * Real-time nodes of a robot: one node, one file, one process. A node derives from PeriodicNode (a step every period) or
 * RTNode (its own loop), and its file ends with `await new MyNode().main()`. On a board `rt-launch` starts the bundled
 * file; by hand it runs anywhere, and says once what it could not get.
 */
export type { Identity } from "./identity.ts";
export type { OverrunPolicy } from "./loop.ts";
export { BaseNode, RTNode } from "./node.ts";
export type { RTOptions } from "./node.ts";
export { PeriodicNode } from "./periodic.ts";
export type { PeriodicOptions } from "./periodic.ts";
export { STATUS_OVERRUN, STATUS_SOFTWARE } from "./status.ts";
export type { Status } from "./status.ts";
export { Publisher, Subscriber } from "./topic.ts";
export type { Message, RecordDescription } from "./topic.ts";
