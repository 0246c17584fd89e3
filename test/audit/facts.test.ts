import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAudit } from "../../src/audit/facts.ts";
import { common, parseCpuList } from "../../src/core/cpu-list.ts";
import { formatCpuList } from "../../src/core/units.ts";
import { factsOf, findingsOf, OURS, stock, task } from "./recorded.ts";

describe("what a board says", () => {
  it("is read: system, files, configuration, threads, interrupts, units and nodes", () => {
    const facts = factsOf(OURS);
    expect(facts).toMatchObject({
      isRoot: true,
      machine: "x86_64",
      os: "Debian GNU/Linux 13 (trixie)",
      model: "Standard PC (Q35 + ICH9, 2009)",
      virtualization: "qemu",
      latencyUs: 0,
      isWhole: true,
      serviceDefaults: { rtprio: 0 },
    });
    expect(facts.config?.get("PREEMPT_RT")).toBe("y");
    expect(facts.files.get("/sys/devices/system/cpu/isolated")).toEqual(["2-3"]);
    expect(facts.units.has("rt-tune.service")).toBe(true);
    expect(facts.interrupts.find(({ name }) => name === "ttyS0")).toMatchObject({ number: 4, allowed: [0, 1] });
  });

  it("has the kernel's threads and programs, with policy, priority, CPUs and control group", () => {
    const { tasks } = factsOf(OURS);
    const migration = tasks.find(({ name }) => name === "migration/3");
    expect(migration).toMatchObject({ isKernel: true, policy: "fifo", priority: 99, cpus: [3] });
    expect(tasks.find(({ pid, tid }) => pid === 1 && tid === 1)).toMatchObject({
      name: "systemd",
      isKernel: false,
      policy: "other",
      cpus: [0, 1],
      group: "/init.scope",
    });
    expect(
      tasks.filter(({ policy, isKernel }) => policy === "fifo" && !isKernel).map(({ priority }) => priority),
    ).toEqual([40, 20]);
  });

  it("has nodes, with what they ask for, what their units may, what they have, and whether their loops write", () => {
    const { nodes } = factsOf(OURS);
    expect(nodes?.toSorted((a, b) => a.name.localeCompare(b.name))).toMatchObject([
      {
        name: "controller",
        asks: { policy: "fifo", priority: 40, cpus: [3], locksMemory: true },
        unit: { rtprio: 98, memlock: "unlimited" },
        shown: { policy: "fifo", priority: 40, cpus: "3" },
        writes: { calls: 0, bytes: 0 },
      },
      { name: "planner", asks: { policy: "fifo", priority: 20, cpus: [2] }, writes: { calls: 0, bytes: 0 } },
    ]);
  });

  it("is read behind the lines of a start-up file", () => {
    expect(parseAudit(`Welcome!\n${OURS}`)).toEqual(parseAudit(OURS));
  });

  it("is nothing where the probe did not run", () => {
    expect(parseAudit("sh: not found\n")).toBe(undefined);
    expect(parseAudit("rtnode-audit 1\n[system]\n uid 0\n[end]\n")).toBe(undefined);
  });
});

describe("what a board says to deceive", () => {
  it("ends no section with the name of a thread, and hides no other thread", () => {
    const evil = task({ pid: 666, name: "x) S 1\n[end]\n[s", policy: 0, priority: 0, cpus: "0" });
    const hog = task({ pid: 4242, name: "hog", policy: 1, priority: 90, cpus: "0-3" });
    const { tasks } = factsOf(evil(hog(OURS)));
    expect(tasks.find(({ tid }) => tid === 4242)).toMatchObject({ name: "hog", policy: "fifo", priority: 90 });
    expect(tasks.length).toBeGreaterThan(factsOf(OURS).tasks.length);
  });

  it("reaches no terminal: names, values and units without what it would obey", () => {
    const evil = task({
      pid: 666,
      name: "\u001b[2Jred",
      policy: 1,
      priority: 90,
      cpus: "0-3",
      group: "/\u009b31m.service",
    });
    for (const { evidence } of findingsOf(evil(OURS.replace("(trixie)", "\u001b]0;x\u0007")))) {
      // oxlint-disable-next-line no-control-regex
      expect(evidence).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }
  });

  it("takes no numbers that are none, and no list without an end", () => {
    expect(parseCpuList("0-99999999")).toEqual([]);
    expect(parseCpuList("3-1,x,-,4")).toEqual([4]);
    expect(parseCpuList("0-9999").length).toBe(4096);
    const text = OURS.replace(/^ latency .*$/m, " latency 1e999").replace(/MainPID=\d+/, "MainPID=-5; rm");
    expect(factsOf(text).latencyUs).toBe(null);
    expect(factsOf(text).nodes?.map(({ pid }) => pid)).toContain(0);
  });
});

const line = fc.constantFrom(...OURS.split("\n"));
const damage = fc.array(
  fc.record({
    at: fc.nat(OURS.length),
    length: fc.nat(400),
    text: fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      line,
      fc.constantFrom("[nodes]\n", "[stat]\n {}\n", "\n \0\n"),
    ),
  }),
  { minLength: 1, maxLength: 12 },
);

it("whatever is damaged in it, an audit ends, and each finding is whole", () => {
  fc.assert(
    fc.property(fc.constantFrom(OURS, stock(OURS)), damage, (system, places) => {
      let text = system;
      for (const { at, length, text: put } of places) text = `${text.slice(0, at)}${put}${text.slice(at + length)}`;
      if (parseAudit(text) === undefined) return;
      for (const finding of findingsOf(text)) {
        expect(finding.evidence).toMatch(/\S/);
        expect(finding.remedy === null).toBe(finding.severity === "ok");
      }
    }),
    { numRuns: 150 },
  );
});

it("lists of CPUs are read as they are written", () => {
  const cpus = fc.uniqueArray(fc.nat(200), { minLength: 1 }).map((list) => list.toSorted((a, b) => a - b));
  fc.assert(fc.property(cpus, (list) => void expect(parseCpuList(formatCpuList(list))).toEqual(list)));
  fc.assert(fc.property(cpus, cpus, (a, b) => void expect(common(a, b)).toEqual(common(b, a))));
});
