import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compile, compileWith, librarySource } from "./compile.ts";
import { answersOf, drive } from "./driver.ts";
import { COUNTERS, ENDED, LAYOUT, readStats, RUNNING } from "./stats-file.ts";
import { buildDevicePrograms, deviceDir, run } from "./support.ts";

const env = { RTNODE_RUNTIME_DIR: scratchDir("rtnode-stats-") };
const file = (name: string): string => join(env.RTNODE_RUNTIME_DIR, `${name}.stats`);
let driver = "";
let reader = "";
beforeAll(async () => {
  await buildDevicePrograms();
  [driver, reader] = await Promise.all([
    compileWith("librtnode.so", ["driver.c"]),
    compile(["stats-reader.c", librarySource("stats.c"), librarySource("runtime-dir.c")]),
  ]);
});

/** What a reader comes to after so many copies. */
async function read(name: string, copies = 1): Promise<string> {
  return (await run([reader, file(name), String(copies)])).stdout.trim();
}

test("the layout is the one that readers know: another one needs another magic", async () => {
  const { stdout } = await run([await compile(["stats-layout.c"])]);
  const places = Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => [line.split(" ")[0], Number(line.split(" ")[1])]),
  );
  const camel = Object.keys(places).map((name) => name.replace(/_./g, (part) => part.slice(1).toUpperCase()));
  expect(camel.slice(3, 3 + COUNTERS.length)).toEqual([...COUNTERS]);
  expect(Object.values(places).slice(3, 3 + COUNTERS.length)).toEqual(
    COUNTERS.map((_, index) => LAYOUT.counters + 8 * index),
  );
  const { wakeup, execution, end } = LAYOUT;
  expect(places).toMatchObject({ magic: LAYOUT.magic, size: LAYOUT.size, pid: LAYOUT.pid, wakeup, execution, end });
  expect(places).toMatchObject({ "wakeup.count": 248, "wakeup.sum": 256, "wakeup.max": 264, "wakeup.bins": 272 });
  expect([wakeup, execution, end]).toEqual([248, 14_352, 28_456]);
  await answersOf(driver, ["begin a", "end"], env);
  expect(readStats(file("a"))).toMatchObject({ magic: "rtnstat1", size: end, counters: { state: ENDED, sequence: 2 } });
});

/** One of the launcher's two histograms: [limit in microseconds, count]. */
interface Times {
  readonly max: number;
  readonly bins?: readonly (readonly [number, number])[];
}

test("the launcher shows the bins that are not empty, by their limits, when it is asked for them", async () => {
  const node = drive([driver], env);
  await node.tell("begin shown");
  await node.tell("loop 1000000 0");
  await node.tell("turns 40");
  const show = async (...words: string[]): Promise<{ wakeupUs: Times; executionUs: Times }> => {
    const { stdout } = await run([join(deviceDir, "rt-launch"), "show", ...words, String(node.pid)], env);
    return JSON.parse(stdout).stats;
  };
  const { wakeupUs, executionUs } = await show("--json", "--bins");
  expect((await show("--json")).wakeupUs).not.toHaveProperty("bins");
  const { wakeup, execution } = readStats(file("shown"));
  await node.end();
  for (const [shown, counted] of [
    [wakeupUs, wakeup],
    [executionUs, execution],
  ] as const) {
    const bins = counted.bins.flatMap((count, bin) => (count === 0 ? [] : [[limitOf(bin), count]]));
    expect(shown.bins).toEqual(bins);
    expect(bins.length).toBeGreaterThan(0);
  }
});

/** The limit of a bin (histogram.h), microseconds. */
function limitOf(bin: number): number {
  const doubling = Math.floor((bin - 1024) / 32);
  return bin < 1024 ? bin + 1 : 2 ** (doubling + 5) * (32 + ((bin - 1024) % 32) + 1);
}

describe("a reader", () => {
  test("has a consistent copy at any time, while the node writes as fast as it can", async () => {
    const node = drive([driver], env);
    await node.tell("begin busy");
    // A period that no loop has, with a wake-up to count in most turns.
    await node.tell("loop 20000 0");
    node.order("turns 1000000000");
    const readers = await Promise.all([read("busy", 3000), read("busy", 3000)]);
    node.kill("SIGKILL");
    await node.end();
    expect(readers).toEqual(["consistent", "consistent"]);
    // Killed anywhere: what is left is consistent, or was being written and says so.
    expect(await read("busy")).toMatch(/^(consistent|EAGAIN)$/);
    expect(readStats(file("busy")).counters["state"]).toBe(RUNNING);
  });

  test("does not wait for a node that was killed while it wrote", async () => {
    await answersOf(driver, ["begin killed", "alive"], env);
    const bytes = readFileSync(file("killed"));
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(LAYOUT.counters) + 1n, LAYOUT.counters);
    writeFileSync(file("killed"), bytes);
    expect(await read("killed")).toBe("EAGAIN");
  });

  test.each([
    ["another magic", (bytes: Buffer) => bytes.write("rtnstat2", LAYOUT.magic)],
    ["another size", (bytes: Buffer) => bytes.writeUInt32LE(1, LAYOUT.size)],
  ])("refuses %s", async (_, change) => {
    await answersOf(driver, ["begin other", "end"], env);
    const bytes = readFileSync(file("other"));
    change(bytes);
    writeFileSync(file("other"), bytes);
    expect(await read("other")).toBe("EPROTO");
  });
});

test("a node that starts again has a new file: who reads the old one sees its end", async () => {
  await answersOf(driver, ["begin again", "alive", "alive", "end"], env);
  const before = readStats(file("again"));
  await answersOf(driver, ["begin again", "alive", "end"], env);
  expect([before.counters["cycles"], readStats(file("again")).counters["cycles"]]).toEqual([2, 1]);
  expect(readStats(file("again")).pid).not.toBe(before.pid);
});
