import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RtkitErrors, type RtkitError } from "../../src/core/errors.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { describeOverride, mergeFragments, parseFragment } from "../../src/kernel/fragment.ts";

const mistakes = (text: string): string[] => {
  try {
    parseFragment(text, "f.config");
    return [];
  } catch (error) {
    const errors = error instanceof RtkitErrors ? error.errors : [error as RtkitError];
    return errors.map(({ code, message, where }) => `${code} ${where?.line ?? 0} ${message}`);
  }
};
const good = "# severity: high\n# reason: because\n";

describe("parseFragment", () => {
  test("an option with everything", () => {
    const text = [
      "## A chapter",
      "",
      "# severity: high",
      "# reason: its threads run above",
      "#   every other task",
      "# accept: m",
      "# compensated: sysctl kernel.nmi_watchdog=0 and cmdline nosoftlockup",
      "# compensated: overlay-unit off.service",
      "# when: SMP",
      "# CONFIG_LOCKUP_DETECTOR is not set",
    ].join("\n");
    expect(parseFragment(text, "f.config")).toEqual([
      {
        name: "LOCKUP_DETECTOR",
        wanted: ["n", "m"],
        isText: false,
        severity: "high",
        reason: "its threads run above every other task",
        compensations: [
          [
            { kind: "sysctl", name: "kernel.nmi_watchdog", value: "0" },
            { kind: "cmdline", word: "nosoftlockup" },
          ],
          [{ kind: "overlay-unit", unit: "off.service" }],
        ],
        when: "SMP",
        where: { file: "f.config", line: 10, column: 1 },
      },
    ]);
  });

  test.each([
    ["CONFIG_X=y", ["1 CONFIG_X has no severity", "1 CONFIG_X has no reason"]],
    ["# severity: bad\n# reason: r\nCONFIG_X=y", ['3 CONFIG_X has the severity "bad"']],
    [`${good}# reason: twice\nCONFIG_X=y`, ["3 CONFIG_X has more than one reason"]],
    [`${good}# because: x\nCONFIG_X=y`, ['3 a comment says "because:"']],
    [`${good}# compensated: luck\nCONFIG_X=y`, ["3 not a compensation: luck"]],
    [`${good}CONFIG_X=y\n${good}# CONFIG_X is not set`, ["6 CONFIG_X stands here twice"]],
    ["PREEMPT=y", ["1 not a line of a kernel fragment: PREEMPT=y"]],
    [good, ["1 comments without an option after them"]],
  ])("%j", (text, expected) => {
    expect(mistakes(text)).toEqual(expected.map((message) => `RTK_FRAGMENT_INVALID ${message}`));
  });

  test("any text gives options or errors with a place", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom("CONFIG_X=y", "# severity: info", "# reason: r", "#   more"), fc.string())),
        (lines) => {
          for (const message of mistakes(lines.join("\n"))) expect(message).toMatch(/^RTK_FRAGMENT_INVALID [1-9]/);
        },
      ),
    );
  });
});

test("an option that is named again stands at the later place: of a choice Kconfig takes the last", () => {
  const first = parseFragment(`${good}# CONFIG_NO_HZ_FULL is not set\n${good}CONFIG_NO_HZ_IDLE=y`, "a");
  const second = parseFragment(`${good}CONFIG_NO_HZ_FULL=y`, "b");
  expect(mergeFragments([first, second]).options.map(({ name }) => name)).toEqual(["NO_HZ_IDLE", "NO_HZ_FULL"]);
});

test.each([
  ["fatal", 1],
  ["high", 0],
])("a project that makes a module of a driver that is %s is told so %d times", (severity, count) => {
  const [board = [], own = []] = ["y", "m"].map((value) =>
    parseFragment(`# severity: ${severity}\n# reason: r\n# accept: m\nCONFIG_MMC_BLOCK=${value}`, "f"),
  );
  expect(mergeFragments([board, own]).overrides).toHaveLength(count);
});

test("a later fragment wins", () => {
  const first = parseFragment(`${good}CONFIG_A=y\n${good}CONFIG_B=y`, "a");
  const second = parseFragment(`${good}CONFIG_A=m`, "b");
  const { options, overrides } = mergeFragments([first, second]);
  expect(options.map(({ name, wanted }) => [name, wanted])).toEqual([
    ["B", ["y"]],
    ["A", ["m"]],
  ]);
  expect(overrides.map((one) => describeOverride(one, (file) => `${file}.config`))).toEqual([
    "CONFIG_A=m of b.config:3 overrides =y of a.config:3",
  ]);
});

test("a later fragment that asks for what the earlier one accepts contradicts nothing", () => {
  const first = parseFragment(`${good}# accept: m\nCONFIG_A=y`, "a");
  const second = parseFragment(`${good}CONFIG_A=m`, "b");
  expect(mergeFragments([first, second]).overrides).toEqual([]);
});

test("somebody else's fragment needs no comments, and may have any", () => {
  const text = '# From the vendor.\n# note: none of ours\nCONFIG_A=m\n# severity: info\nCONFIG_B="a b"\n';
  const options = parseFragment(text, "f", { severity: "fatal", reason: "asked for" });
  expect(options.map(({ name, wanted, severity, reason }) => [name, wanted, severity, reason])).toEqual([
    ["A", ["m"], "fatal", "asked for"],
    ["B", ["a b"], "info", "asked for"],
  ]);
});

describe("the fragments rtkit brings", () => {
  const folder = join(rtkitRoot, "board-configs/kernel");
  test.each(readdirSync(folder))("%s can be read, and each option has a reason", (name) => {
    const options = parseFragment(readFileSync(join(folder, name), "utf8"), name);
    expect(options.length).toBeGreaterThan(0);
    for (const { reason } of options) expect(reason.length).toBeGreaterThan(5);
  });

  test("the real-time one is fatal about what makes a kernel real-time", () => {
    const options = parseFragment(readFileSync(join(folder, "preempt-rt.config"), "utf8"), "preempt-rt.config");
    const fatal = options
      .filter(({ severity }) => severity === "fatal")
      .map(({ name, wanted }) => `${name}=${wanted.join("|")}`);
    expect(fatal).toContain("PREEMPT_RT=y");
    expect(fatal).toContain("RT_GROUP_SCHED=n");
  });
});
