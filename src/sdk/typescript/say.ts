import { writeSync } from "node:fs";
import { basename } from "node:path";

/** The name of the file that runs, without its ending. */
export const moduleName: string = basename(process.argv[1] ?? "node").replace(/\.\w+$/, "");

/** The node's name in the project file (the unit sets it), or its file's name when started by hand. */
export const nodeName: string = process.env["RTNODE_NAME"] ?? moduleName;

/** One line on standard error, written before this returns. */
export function say(text: string): void {
  try {
    writeSync(2, `${nodeName}: ${text}\n`);
  } catch {
    // Nobody reads any more (EPIPE), or not fast enough (EAGAIN: Node's pipes do not wait): finalize still has to run.
  }
}
