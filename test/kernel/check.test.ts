import { describe, expect, test } from "vitest";
import { checkKernel, requireKernel, type RuntimeSettings } from "../../src/kernel/check.ts";
import { parseFragment } from "../../src/kernel/fragment.ts";
import { parseKconfig } from "../../src/kernel/kconfig.ts";
import { renderKernelTable, summarizeKernel } from "../../src/kernel/table.ts";

const wanted = parseFragment(
  [
    "# severity: fatal\n# reason: bounded latency\nCONFIG_PREEMPT_RT=y",
    "# severity: fatal\n# reason: the disk\n# accept: m\nCONFIG_EXT4_FS=y",
    "# severity: high\n# reason: watchdogs\n# compensated: sysctl kernel.nmi_watchdog=0 and cmdline nosoftlockup\n# CONFIG_LOCKUP_DETECTOR is not set",
    "# severity: medium\n# reason: merging\n# compensated: sysctl x=1\n# compensated: overlay-unit rt-tune.service\n# CONFIG_KSM is not set",
    "# severity: info\n# reason: ticks\nCONFIG_HZ=1000",
  ].join("\n"),
  "f.config",
);
const debian = parseKconfig(
  "CONFIG_PREEMPT_RT=y\nCONFIG_EXT4_FS=m\nCONFIG_LOCKUP_DETECTOR=y\nCONFIG_KSM=y\nCONFIG_HZ=250\n",
);
const bare: RuntimeSettings = { sysctls: {}, cmdline: [], units: [] };
const full: RuntimeSettings = {
  sysctls: { "kernel.nmi_watchdog": "0" },
  cmdline: ["quiet", "nosoftlockup"],
  units: ["rt-tune.service"],
};
const verdicts = (settings: RuntimeSettings, config = debian): string[] =>
  checkKernel(config, wanted, settings).map(({ verdict }) => verdict);

describe("checkKernel", () => {
  test("what the image makes up for counts", () => {
    expect(checkKernel(debian, wanted, full)).toEqual([
      { name: "PREEMPT_RT", wanted: "y", got: "y", severity: "fatal", verdict: "satisfied", reason: "bounded latency" },
      { name: "EXT4_FS", wanted: "y|m", got: "m", severity: "fatal", verdict: "satisfied", reason: "the disk" },
      {
        name: "LOCKUP_DETECTOR",
        wanted: "n",
        got: "y",
        severity: "high",
        verdict: "compensated",
        by: "sysctl kernel.nmi_watchdog=0 and cmdline nosoftlockup",
        reason: "watchdogs",
      },
      {
        name: "KSM",
        wanted: "n",
        got: "y",
        severity: "medium",
        verdict: "compensated",
        by: "rt-tune.service",
        reason: "merging",
      },
      { name: "HZ", wanted: "1000", got: "250", severity: "info", verdict: "differs", reason: "ticks" },
    ]);
  });

  test("what is only claimed does not", () => {
    const differs = ["satisfied", "satisfied", "differs", "differs", "differs"];
    expect(verdicts(bare)).toEqual(differs);
    expect(verdicts({ ...bare, sysctls: { "kernel.nmi_watchdog": "0" } })).toEqual(differs);
    expect(verdicts({ ...full, sysctls: { "kernel.nmi_watchdog": "1" } })[2]).toBe("differs");
  });
});

describe("requireKernel", () => {
  test("differences that are not fatal pass", () =>
    expect(() => requireKernel(checkKernel(debian, wanted, bare))).not.toThrow());

  test("a kernel that is not real-time does not", () => {
    const options = checkKernel(parseKconfig("CONFIG_EXT4_FS=y\n"), wanted, full);
    expect(() => requireKernel(options)).toThrow(
      expect.objectContaining({
        code: "RTK_KERNEL_FATAL",
        exitStatus: 1,
        message: "this kernel cannot be used:\nCONFIG_PREEMPT_RT is n, wanted y: bounded latency",
      }),
    );
  });
});

test("the table shows what differs first, and why", () => {
  const shown = [
    "             option           wanted  got  severity",
    "differs      HZ               1000    250  info      ticks",
    "compensated  LOCKUP_DETECTOR  n       y    high      by sysctl kernel.nmi_watchdog=0 and cmdline nosoftlockup",
    "compensated  KSM              n       y    medium    by rt-tune.service",
  ];
  expect(renderKernelTable(checkKernel(debian, wanted, full)).split("\n")).toEqual(shown);
  expect(renderKernelTable(checkKernel(debian, wanted, full), true).split("\n")).toEqual([
    ...shown,
    "satisfied    PREEMPT_RT       y       y    fatal",
    "satisfied    EXT4_FS          y|m     m    fatal",
  ]);
  expect(summarizeKernel(checkKernel(debian, wanted, full))).toBe("2 satisfied, 2 compensated at run time, 1 differ");
});

test("an option that means nothing without another counts only where that is on", () => {
  const line = "# severity: high\n# reason: firmware takes its time\n# when: EFI\nCONFIG_EFI_DISABLE_RUNTIME=y\n";
  const verdictsOn = (config: string): string[] =>
    checkKernel(parseKconfig(config), parseFragment(line, "f"), { sysctls: {}, cmdline: [], units: [] }).map(
      ({ verdict }) => verdict,
    );
  expect(verdictsOn("CONFIG_EFI=y\n")).toEqual(["differs"]);
  expect(verdictsOn("CONFIG_EFI=y\nCONFIG_EFI_DISABLE_RUNTIME=y\n")).toEqual(["satisfied"]);
  expect(verdictsOn("CONFIG_PCI=y\n")).toEqual(["satisfied"]);
});

test("a kernel whose options are all as wanted has no table", () => {
  expect(renderKernelTable(checkKernel(parseKconfig(""), [], full))).toBe("every option is as wanted");
  const minor = parseFragment("# severity: info\n# reason: ticks\nCONFIG_HZ=1000", "f");
  const unsaid = checkKernel(parseKconfig(""), minor, full, new Set());
  expect(renderKernelTable(unsaid)).toBe("every option that it names is as wanted");
});
