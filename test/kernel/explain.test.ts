import { describe, expect, test } from "vitest";
import { describeReason, reasonSchema, type Reason } from "../../src/kernel/explain.ts";

const where = { file: "drivers/x/Kconfig", line: 7 };

describe("why an option is not as asked", () => {
  test.each<[Reason, string]>([
    [{ kind: "unknown", near: [] }, "this version of the kernel has no such option"],
    [
      { kind: "unknown", near: ["RCU_NOCB_CPU"] },
      "this version of the kernel has no such option; did you mean RCU_NOCB_CPU?",
    ],
    [{ kind: "foreign", architectures: ["um", "x86"] }, "this architecture has no such option: it is one of um, x86"],
    [
      { kind: "depends", where, unmet: [{ condition: "THERMAL_OF", values: [{ name: "THERMAL_OF", value: "n" }] }] },
      "needs THERMAL_OF, which is n (drivers/x/Kconfig:7)",
    ],
    [
      {
        kind: "depends",
        where,
        unmet: [
          {
            condition: "ARCH_BCM or COMPILE_TEST",
            values: [
              { name: "ARCH_BCM", value: null },
              { name: "COMPILE_TEST", value: "n" },
            ],
          },
          { condition: "ARCH_BCM or COMPILE_TEST", values: [] },
        ],
      },
      "needs ARCH_BCM or COMPILE_TEST, where ARCH_BCM is of another architecture, COMPILE_TEST is n, and ARCH_BCM or COMPILE_TEST (drivers/x/Kconfig:7)",
    ],
    [
      { kind: "choice", where, choice: "Timer frequency", won: "HZ_1000" },
      'HZ_1000 won the choice "Timer frequency" (drivers/x/Kconfig:7)',
    ],
    [
      { kind: "chosen", where, choice: "Timer frequency" },
      'it is what the choice "Timer frequency" has; ask for another of it (drivers/x/Kconfig:7)',
    ],
    [
      { kind: "selected", where, by: ["A", "B", "C", "D", "E"].map((name) => ({ name, value: "y" })) },
      "selected by A=y, B=y, C=y, D=y and 1 more (drivers/x/Kconfig:7)",
    ],
    [{ kind: "noPrompt", where, selectors: ["BT"] }, "it cannot be asked for: it comes with BT (drivers/x/Kconfig:7)"],
    [
      { kind: "noPrompt", where, selectors: [] },
      "it cannot be asked for: it follows from other options (drivers/x/Kconfig:7)",
    ],
    [{ kind: "type", where, type: "bool" }, "it is a bool, which cannot be m (drivers/x/Kconfig:7)"],
    [{ kind: "range", where, low: "2", high: "512" }, "it must be from 2 to 512 (drivers/x/Kconfig:7)"],
    [{ kind: "other", where }, "its Kconfig does not say why (drivers/x/Kconfig:7)"],
  ])("%j", (reason, words) => {
    expect(describeReason(reasonSchema.parse(reason), "m")).toBe(words);
  });
});
