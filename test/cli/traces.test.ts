import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inOrder, lineReader } from "../../src/cli/deploy/traces.ts";
import { readTrace } from "../../src/deploy/traces.ts";
import type { Connection } from "../../src/deploy/transport.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { contextOf, outcome, scan, type Robot } from "../bundle/robot.ts";

const RELEASE = "ab".repeat(32);
const at = `/opt/rtnode/releases/${RELEASE}/nodes`;

const replaced = async (line: string): Promise<string> =>
  readTrace(line, async ({ node, line: row, column }) =>
    Promise.resolve(node === "unknown" ? undefined : `<${node} ${row} ${column ?? "-"}>`),
  );

describe("positions in a line", () => {
  it.each([
    ["    at step (file://AT/planner.mjs:12:5)", "    at step (<planner 12 5>)"],
    ["    at AT/planner.mjs:12:5", "    at <planner 12 5>"],
    ["file://AT/arm-2.mjs:7", "<arm-2 7 ->"],
    ["AT/a.mjs:1:2 and AT/b.mjs:3:4.", "<a 1 2> and <b 3 4>."],
    ["AT/unknown.mjs:1:2, AT/a.mjs:1:2", "AT/unknown.mjs:1:2, <a 1 2>"],
    ["AT/imu.pyz:1:2", "AT/imu.pyz:1:2"],
    ["AT/../x.mjs:1:2", "AT/../x.mjs:1:2"],
    ["/opt/rtnode/current/nodes/a.mjs:1:2", "/opt/rtnode/current/nodes/a.mjs:1:2"],
    ["node:internal/process:95:5", "node:internal/process:95:5"],
  ])("%s", async (line, expected) => {
    expect(await replaced(line.replaceAll("AT", at))).toBe(expected.replaceAll("AT", at));
  });
});

const SOURCES = {
  "package.json": '{"type":"module"}',
  "nodes/planner.ts": [
    'import { clamp, type Range } from "../lib/maths.ts";',
    "",
    "interface Goal {",
    "  readonly angle: number;",
    "}",
    "const range: Range = { low: 0, high: 1 };",
    "export function plan({ angle }: Goal): number {",
    "  return clamp(angle, range);",
    "}",
    "plan({ angle: 7 });",
  ].join("\n"),
  "lib/maths.ts": [
    "export interface Range { readonly low: number; readonly high: number }",
    "",
    "export function clamp(x: number, { high }: Range): number {",
    "  if (x > high) throw new Error(`${x} is too far`);",
    "  return x;",
    "}",
  ].join("\n"),
};

/** Bundles the planner, and runs the bundle under the path that it has on a board. */
async function crash(): Promise<{ robot: Robot; cacheDir: string; bundle: string; trace: string }> {
  const robot = await scan(SOURCES, "nodes/planner.ts", { name: "planner" });
  const context = await contextOf();
  const { dir } = await runStep(context, robot.scanned.step);
  const bundle = join(dir, "planner.mjs");
  const { stderr } = await outcome(process.execPath, [bundle], dir);
  return { robot, cacheDir: context.cacheDir, bundle, trace: stderr.replaceAll(dir, at) };
}

/** A board that says which bundle its one release has. */
function boardWith(digest: string, asked: string[] = []): Connection {
  const nodes = [{ name: "planner", sha256: digest, conf: { sha256: "" }, schedule: { policy: "other", cpus: [] } }];
  return {
    address: { host: "arm", port: null, user: "robot" },
    onTerminal: async () => 0,
    sshConfig: "",
    where: async () => Promise.reject(new Error("nobody asks")),
    close: async () => Promise.resolve(),
    run: async (command) => {
      asked.push(command);
      return Promise.resolve({ status: 0, stdout: JSON.stringify({ nodes }), stderr: "" });
    },
  };
}

async function readAll(cacheDir: string, connection: Connection, trace: string): Promise<string> {
  const shown: string[] = [];
  const read = lineReader(cacheDir);
  const lines = inOrder(
    async (line) => read(connection, line),
    (line) => shown.push(line),
  );
  for (const line of trace.split("\n")) lines.take(line);
  await lines.settled();
  return shown.join("\n");
}

it("a stack trace of Node.js names the project's sources, by the map of exactly the bundle that the board has", async () => {
  const { cacheDir, bundle, trace } = await crash();
  const asked: string[] = [];
  const board = boardWith(sha256(readFileSync(bundle)), asked);
  const read = await readAll(cacheDir, board, trace);
  expect(read).toMatch(/^lib\/maths\.ts:4$/m);
  expect(read).toMatch(/^ {4}at clamp \(lib\/maths\.ts:4:23\)$/m);
  expect(read).toMatch(/^ {4}at plan \(nodes\/planner\.ts:8:10\)$/m);
  expect(read).toMatch(/^ {4}at (?:.*\()?nodes\/planner\.ts:10:1\)?$/m);
  expect(read).not.toContain(RELEASE);
  expect(asked).toEqual([`cat /opt/rtnode/releases/${RELEASE}/manifest.json`]);
});

it("a line of a bundle that was not built here, or that the cache gave up, stays as it is", async () => {
  const { cacheDir, trace } = await crash();
  expect(await readAll(cacheDir, boardWith("0".repeat(64)), trace)).toBe(trace);
  const empty = join(cacheDir, "empty");
  await mkdir(empty);
  await writeFile(join(empty, "file"), "");
  expect(await readAll(empty, boardWith("0".repeat(64)), trace)).toBe(trace);
});
