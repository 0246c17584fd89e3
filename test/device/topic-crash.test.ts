import { beforeAll, expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compileWith } from "./compile.ts";
import { buildDevicePrograms, run } from "./support.ts";

beforeAll(buildDevicePrograms);

const env = { RTNODE_RUNTIME_DIR: scratchDir("rtnode-crash-") };

test("a publisher that is killed at any moment, a thousand times, leaves no broken record", async () => {
  const program = await compileWith("librtnode.so", ["topic-crash.c"]);
  const { status, stdout, stderr } = await run([program, "1000", "2"], env);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const [kills, ...subscribers] = stdout.trim().split("\n");
  expect(kills).toBe("1000 kills");
  expect(subscribers).toHaveLength(2);
  for (const line of subscribers) {
    const [seen, broken] = [...line.matchAll(/\d+/g)].map(Number);
    expect(broken).toBe(0);
    expect(seen).toBeGreaterThan(100);
  }
});

test("a publisher that is killed after any single instruction leaves the record before, or the new one", async () => {
  const program = await compileWith("librtnode.so", ["topic-steps.c"]);
  const { status, stdout } = await run([program], env);
  expect(status).toBe(0);
  const seen = stdout.trim().split("\n");
  expect(seen.length).toBeGreaterThan(50);
  expect([seen[0], seen.at(-1)]).toEqual(["1", "2"]);
  expect(seen).not.toContain("broken");
});
