import * as fc from "fast-check";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { stringify } from "yaml";
import { loadProject } from "../../src/config/load.ts";
import { userErrors } from "../../src/ui/error-text.ts";
import { projectFolder } from "./fixtures.ts";

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const text = fc.stringMatching(/^[ -~]{0,12}$/);
const cpus = fc.uniqueArray(fc.integer({ min: 1, max: 3 }));
const milliseconds = fc.integer({ min: 1, max: 9 });

const schedule = fc.oneof(
  fc.record({ policy: fc.constantFrom("fifo", "rr"), priority: fc.integer({ min: 1, max: 98 }), cpus }),
  fc.record({ policy: fc.constantFrom("other", "batch"), nice: fc.integer({ min: -20, max: 19 }), cpus }),
  fc.constant({ policy: "idle" }),
  milliseconds.map((time) => ({
    policy: "deadline",
    runtime: `${time}00us`,
    deadline: `${time}ms`,
    period: `${time + 1}ms`,
  })),
);

const node = fc.record(
  {
    entry: fc.constantFrom("nodes/imu.py", "nodes/planner.ts", "nodes/driver"),
    args: fc.array(text, { maxLength: 3 }),
    env: fc.dictionary(fc.stringMatching(/^[A-C][A-Z0-9_]{0,5}$/), text, { maxKeys: 3 }),
    schedule,
    memory: fc.record({ lock: fc.constant(true), stack: fc.constantFrom("64K", 4096), heap: fc.constantFrom("1M", 0) }),
    restart: fc.constantFrom("no", "on-failure", "always"),
    groups: fc.subarray(["gpio", "i2c", "spi", "dialout"]),
  },
  { requiredKeys: ["entry"] },
);

const project = fc.record(
  {
    name: label,
    board: fc.constant("boards/bench.yaml"),
    image: fc.record(
      { hostname: label, packages: fc.subarray(["htop", "python3-numpy", "g++"]) },
      { requiredKeys: [] },
    ),
    nodes: fc.dictionary(label, node, { minKeys: 1, maxKeys: 4 }),
    targets: fc.dictionary(label, fc.record({ host: label }), { maxKeys: 2 }),
  },
  { requiredKeys: ["name", "board", "nodes"] },
);

/** Names that are taken, by the board or by every machine. */
function usesReservedName(value: { name: string; image?: { hostname?: string }; nodes: object }): boolean {
  return (
    [value.name, value.image?.hostname].includes("localhost") ||
    ["all", "current", "previous", "rtnode", "rtnodectl"].some((name) => name in value.nodes)
  );
}

it("every project that the schema allows loads, and says again what was written", async () => {
  const folder = await projectFolder({ text: "" });
  await fc.assert(
    fc.asyncProperty(project, async (value) => {
      fc.pre(!usesReservedName(value));
      await writeFile(join(folder, "rtkit.yaml"), stringify(value));
      const loaded = (await loadProject({ cwd: folder })).project;
      expect(loaded.name).toBe(value.name);
      expect(loaded.nodes.map(({ name }) => name)).toEqual(Object.keys(value.nodes));
      for (const one of loaded.nodes) {
        const written = value.nodes[one.name];
        expect(one.schedule.policy).toBe(written?.schedule?.policy ?? "other");
        expect(one.args).toEqual(written?.args ?? []);
        expect(one.env).toEqual({ ...written?.env });
      }
    }),
    { numRuns: 60 },
  );
});

/** Replaces, inserts or removes a few characters. */
function mutate(
  source: string,
  edits: readonly { readonly at: number; readonly remove: number; readonly insert: string }[],
): string {
  let result = source;
  for (const { at, remove, insert } of edits) {
    const index = at % (result.length + 1);
    result = `${result.slice(0, index)}${insert}${result.slice(index + remove)}`;
  }
  return result;
}

const edits = fc.array(
  fc.record({
    at: fc.nat({ max: 5000 }),
    remove: fc.nat({ max: 4 }),
    insert: fc.oneof(
      fc.string({ maxLength: 3 }),
      fc.constantFrom("\n", ": ", "- ", "{", "[]", "null", "-1", "1e999", "*a", "&a ", "\t", "\0", '"'),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

it("no typo gives anything but a project, or errors at places within the file", async () => {
  const folder = await projectFolder({ text: "" });
  const file = join(folder, "rtkit.yaml");
  await fc.assert(
    fc.asyncProperty(project, edits, async (value, changes) => {
      const source = mutate(stringify(value), changes);
      await writeFile(file, source);
      const failure: unknown = await loadProject({ cwd: folder }).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return;
      const mistakes = userErrors(failure);
      // A bug of ours shows with its stack.
      if (mistakes.length === 0) throw failure;
      const lines = source.replace(/^\uFEFF/, "").split("\n");
      for (const { code, exitStatus, hint, where } of mistakes) {
        expect(code).toMatch(/^RTK_(CONFIG|BOARD)_[A-Z0-9_]+$/);
        expect(exitStatus).toBe(2);
        expect(hint).toBeTruthy();
        expect(where?.line).toBeLessThanOrEqual(lines.length);
        expect(where?.column).toBeLessThanOrEqual((lines[(where?.line ?? 1) - 1]?.length ?? 0) + 1);
      }
    }),
    { numRuns: 300 },
  );
});
