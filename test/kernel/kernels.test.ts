import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { loadBoard } from "../../src/config/boards.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { checkKernel, isFatal, type OptionVerdict } from "../../src/kernel/check.ts";
import type { WantedOption } from "../../src/kernel/fragment.ts";
import { parseKconfig, type Kconfig } from "../../src/kernel/kconfig.ts";
import { loadFragments } from "../../src/kernel/load.ts";

let wanted: readonly WantedOption[];
beforeAll(async () => {
  const { kernel } = await loadBoard("rpi4");
  wanted = (await loadFragments(kernel.fragments)).options;
});

const nothing = { sysctls: {}, cmdline: [], units: [] };
const check = (config: Kconfig): OptionVerdict[] => checkKernel(config, wanted, nothing);
const kernelOf = async (name: string): Promise<Kconfig> =>
  parseKconfig(await readFile(join(rtkitRoot, "test/fixtures/kernel", `${name}.config`), "utf8"));
const names = (rows: readonly OptionVerdict[]): string[] => rows.map(({ name }) => name).toSorted();

describe("kernels as they are", () => {
  test("Debian's real-time kernel has nothing fatal, and what it has wrong is known", async () => {
    const rows = check(await kernelOf("debian-rt-arm64"));
    expect(names(rows.filter(isFatal))).toEqual([]);
    const differ = rows.filter(({ verdict, severity }) => verdict === "differs" && severity !== "info");
    expect(names(differ)).toEqual([
      "CPU_FREQ_DEFAULT_GOV_PERFORMANCE",
      "KSM",
      "LOCKUP_DETECTOR",
      "NO_HZ_FULL",
      "SENSORS_RASPBERRYPI_HWMON",
    ]);
  });

  test("Debian's usual kernel is not real-time, and that alone is fatal", async () => {
    expect(names(check(await kernelOf("debian-arm64")).filter(isFatal))).toEqual(["PREEMPT_RT"]);
  });

  test("a kernel configured as Raspberry Pi's own: preemptible, not real-time, and saving power", () => {
    const rows = check(
      parseKconfig(
        "CONFIG_PREEMPT=y\nCONFIG_IKCONFIG=m\nCONFIG_CPU_FREQ_DEFAULT_GOV_POWERSAVE=y\nCONFIG_CAN_MCP251X=m\n",
      ),
    );
    const verdictOf = (name: string): string | undefined => rows.find((row) => row.name === name)?.verdict;
    expect(verdictOf("PREEMPT_RT")).toBe("differs");
    expect(verdictOf("CPU_FREQ_DEFAULT_GOV_PERFORMANCE")).toBe("differs");
    expect([verdictOf("IKCONFIG"), verdictOf("CAN_MCP251X"), verdictOf("RT_GROUP_SCHED")]).toEqual(
      Array.from({ length: 3 }, () => "satisfied"),
    );
  });

  test("each option of Debian's real-time kernel, turned alone, is noticed", async () => {
    const debian = await kernelOf("debian-rt-arm64");
    const before = check(debian);
    for (const option of before.filter(({ verdict }) => verdict === "satisfied")) {
      const { when } = wanted.find(({ name }) => name === option.name) ?? {};
      if (when !== undefined && !debian.has(when)) continue;
      const turned = new Map(debian);
      if (option.wanted.split("|").includes("n")) turned.set(option.name, "y");
      else turned.delete(option.name);
      if (option.wanted.split("|").includes("y") && turned.has(option.name)) continue;
      const changed = check(turned).filter((row, index) => row.verdict !== before[index]?.verdict);
      expect(names(changed)).toContain(option.name);
    }
  });
});
