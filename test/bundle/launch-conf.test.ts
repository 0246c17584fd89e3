import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { launchConf } from "../../src/bundle/launch-conf.ts";
import type { NodeConfig, Schedule, SchedulePolicy } from "../../src/config/model.ts";
import { parseDuration } from "../../src/core/units.ts";
import { nodeOf } from "./robot.ts";

/** Reads a launch configuration by the rules of rt-launch: a word, one blank, the rest of the line verbatim. */
function parse(text: string): Map<string, string[]> {
  const words = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const blank = line.indexOf(" ");
    const [name, value] = blank < 0 ? [line, ""] : [line.slice(0, blank), line.slice(blank + 1)];
    words.set(name, [...(words.get(name) ?? []), value]);
  }
  return words;
}

function cpusOf(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

const anyText = fc.string({ unit: "binary", maxLength: 20 }).map((text) => text.replace(/[\n\0]/g, ""));
const time = fc.integer({ min: 1, max: 10_000_000_000 });
const policies: fc.Arbitrary<SchedulePolicy> = fc.oneof(
  fc.record({ policy: fc.constantFrom("other" as const, "batch" as const), nice: fc.integer({ min: -20, max: 19 }) }),
  fc.record({ policy: fc.constant("idle" as const) }),
  fc.record({ policy: fc.constantFrom("fifo" as const, "rr" as const), priority: fc.integer({ min: 1, max: 98 }) }),
  fc.record({ policy: fc.constant("deadline" as const), runtime: time, deadline: time, period: time }),
);
const schedules: fc.Arbitrary<Schedule> = fc
  .tuple(policies, fc.uniqueArray(fc.integer({ min: 0, max: 63 }), { maxLength: 8 }))
  .map(([policy, cpus]) => ({ ...policy, cpus: cpus.toSorted((a, b) => a - b) }));
const nodes: fc.Arbitrary<NodeConfig> = fc
  .record({
    schedule: schedules,
    args: fc.array(anyText, { maxLength: 4 }),
    env: fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/), anyText, { maxKeys: 4, noNullPrototype: true }),
    memory: fc.record({ lock: fc.boolean(), stack: fc.nat(), heap: fc.nat() }),
    rttime: fc.option(time),
    restart: fc.constantFrom("no" as const, "on-failure" as const, "always" as const),
    watchdog: fc.option(time),
    after: fc.uniqueArray(fc.constantFrom("imu", "camera", "arm"), { maxLength: 3 }),
    groups: fc.uniqueArray(fc.constantFrom("gpio", "i2c", "spi", "dialout"), { maxLength: 3 }),
    entry: fc.constantFrom("n.py", "n.ts", "n"),
  })
  .map(({ rttime, entry, ...rest }) => nodeOf("/robot", entry, { ...rest, limits: { rttime } }));

describe("launchConf", () => {
  test("says everything the launcher has to know, and nothing twice", () => {
    fc.assert(
      fc.property(nodes, (node) => {
        const words = parse(launchConf(node, true));
        const one = (name: string): string | undefined => {
          expect((words.get(name) ?? []).length).toBeLessThanOrEqual(1);
          return words.get(name)?.[0];
        };
        const duration = (name: string): number | undefined => {
          const text = one(name);
          return text === undefined ? undefined : parseDuration(text);
        };
        const number = (name: string): number | undefined => (one(name) === undefined ? undefined : Number(one(name)));
        const cpus = one("cpus");
        const { schedule } = node;
        expect({
          policy: one("policy"),
          priority: number("priority"),
          nice: number("nice"),
          runtime: duration("runtime"),
          deadline: duration("deadline"),
          period: duration("period"),
          cpus: cpus === undefined ? [] : cpusOf(cpus),
        }).toEqual({
          priority: undefined,
          nice: undefined,
          runtime: undefined,
          deadline: undefined,
          period: undefined,
          ...schedule,
        });
        expect(one("lock-memory")).toBe(node.memory.lock ? "" : undefined);
        expect([number("stack"), number("heap")]).toEqual([node.memory.stack, node.memory.heap]);
        expect(duration("rttime") ?? null).toBe(node.limits.rttime);
        const env = (words.get("env") ?? []).map((text) => [
          text.slice(0, text.indexOf("=")),
          text.slice(text.indexOf("=") + 1),
        ]);
        expect(Object.fromEntries(env)).toEqual(node.env);
        expect(one("restart")).toBe(node.restart);
        expect(one("notify")).toBe("");
        // systemd counts in microseconds: never less than was asked for.
        const watchdog = node.watchdog === null ? undefined : Math.ceil(node.watchdog / 1000) * 1000;
        expect(duration("watchdog")).toBe(watchdog);
        expect(one("groups") ?? "").toBe(node.groups.join(","));
        expect(one("after") ?? "").toBe(node.after.join(","));
        const args = words.get("arg") ?? [];
        expect(args.slice(args.length - node.args.length)).toEqual(node.args);
      }),
    );
  });

  test("a real-time Python node, word by word", () => {
    const node = nodeOf("/robot", "imu.py", {
      name: "imu",
      args: ["--rate", "1 kHz"],
      env: { B: "2", A: "x y" },
      schedule: { policy: "fifo", priority: 40, cpus: [3, 2] },
      memory: { lock: true, stack: 524288, heap: 16777216 },
      limits: { rttime: 5_000_000 },
      watchdog: 500_000_000,
      groups: ["i2c", "gpio"],
    });
    expect(launchConf(node, true)).toBe(`# Launch options of the node imu, read by rt-launch --config.
policy fifo
priority 40
cpus 2-3
lock-memory
stack 524288
heap 16777216
rttime 5ms
env A=x y
env B=2
restart on-failure
notify
watchdog 500ms
groups i2c,gpio
program /usr/bin/python3
arg -u
arg -B
arg /opt/rtnode/current/nodes/imu.pyz
arg --rate
arg 1 kHz
`);
  });

  test.each([
    ["planner.ts", "other", ["program /usr/bin/node", "arg /opt/rtnode/current/nodes/node.mjs"]],
    [
      "planner.ts",
      "rr",
      [
        "program /usr/bin/node",
        "arg --single-threaded-gc",
        "arg --expose-gc",
        "arg /opt/rtnode/current/nodes/node.mjs",
      ],
    ],
    ["motor", "rr", ["program /opt/rtnode/current/nodes/node.bin"]],
  ] as const)("how %s starts under %s", (entry, policy, lines) => {
    const schedule = policy === "rr" ? { policy, priority: 10, cpus: [] } : { policy, nice: 0, cpus: [] };
    expect(
      launchConf(nodeOf("/robot", entry, { schedule }), false)
        .split("\n")
        .filter((line) => /^(program|arg) /.test(line)),
    ).toEqual(lines);
  });

  test("V8's young generation of a real-time node is its heap, rounded up to MiB", () => {
    const schedule = { policy: "fifo", priority: 10, cpus: [] } as const;
    const memory = { lock: true, stack: 0, heap: 32 * 1024 ** 2 + 1 };
    const conf = launchConf(nodeOf("/robot", "planner.ts", { schedule, memory }), true);
    expect(conf).toContain("arg --min-semi-space-size=33\narg --max-semi-space-size=33\narg /opt/rtnode");
    expect(launchConf(nodeOf("/robot", "planner.ts", { memory }), true)).not.toContain("semi-space");
  });

  test("a program without the SDK is not waited for, and has nothing that contents a watchdog", () => {
    expect(launchConf(nodeOf("/robot", "motor"), false)).not.toContain("notify");
    expect(() => launchConf(nodeOf("/robot", "motor", { watchdog: 1e9 }), false)).toThrow(
      expect.objectContaining({ code: "RTK_BUNDLE_WATCHDOG", exitStatus: 2 }),
    );
  });

  test("a value of more than one line is refused", () => {
    expect(() => launchConf(nodeOf("/robot", "a.py", { args: ["a\nprogram /bin/sh"] }), false)).toThrow(
      expect.objectContaining({ code: "RTK_BUNDLE_CONF", exitStatus: 2 }),
    );
    expect(() => launchConf(nodeOf("/robot", "a.py", { env: { A: "a\0b" } }), false)).toThrow(
      expect.objectContaining({ code: "RTK_BUNDLE_CONF", exitStatus: 2 }),
    );
  });
});
