import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { listBoards } from "../../src/config/boards.ts";
import { loadFragments, readKernelConfig } from "../../src/kernel/load.ts";

let dir = "";
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), "kernel-"))));
afterEach(async () => rm(dir, { recursive: true }));

describe("readKernelConfig", () => {
  const text = "CONFIG_PREEMPT_RT=y\n";
  const image = Buffer.concat([Buffer.from("MZ\0code IKCFG_ST"), gzipSync(text), Buffer.from("IKCFG_ED more code")]);
  test.each([
    ["plain text", Buffer.from(text)],
    ["/proc/config.gz", gzipSync(text)],
    ["inside a kernel", image],
    ["inside a compressed kernel", gzipSync(image)],
  ])("%s", async (_, bytes) => {
    await writeFile(join(dir, "config"), bytes);
    expect([...(await readKernelConfig(join(dir, "config"))).options]).toEqual([["PREEMPT_RT", "y"]]);
  });

  test.each([
    ["no configuration", Buffer.from("hello")],
    ["broken gzip", Buffer.from([0x1f, 0x8b, 1, 2])],
    ["a kernel cut short", image.subarray(0, 30)],
  ])("%s", async (_, bytes) => {
    await writeFile(join(dir, "config"), bytes);
    await expect(readKernelConfig(join(dir, "config"))).rejects.toMatchObject({
      code: "RTK_KERNEL_CONFIG",
      exitStatus: 2,
    });
  });

  test("no file", async () => {
    await expect(readKernelConfig(join(dir, "gone"))).rejects.toMatchObject({ code: "RTK_KERNEL_CONFIG" });
  });
});

describe("loadFragments", () => {
  test("rtkit's own, joined", async () => {
    const names = (await loadFragments(["preempt-rt", "bcm2711"])).options.map(({ name }) => name);
    expect(names).toContain("PREEMPT_RT");
    expect(names).toContain("MMC_SDHCI_IPROC");
    // Without its power and signal voltage the card slot never appears.
    expect(names).toEqual(
      expect.arrayContaining(["REGULATOR_FIXED_VOLTAGE", "REGULATOR_GPIO", "GPIO_RASPBERRYPI_EXP"]),
    );
  });

  test("a project's own is a file, on top of them, and what it asks for must be had", async () => {
    const file = join(dir, "robot.config");
    await writeFile(file, "# CONFIG_PREEMPT_RT is not set\nCONFIG_R8169=m\n");
    const { options, overrides } = await loadFragments(["preempt-rt", file]);
    expect(options.find(({ name }) => name === "R8169")).toMatchObject({ severity: "fatal", wanted: ["m"] });
    expect(overrides).toMatchObject([
      { name: "PREEMPT_RT", value: "n", where: { file, line: 1 }, before: { value: "y" } },
    ]);
  });

  test("those of each board contradict each other nowhere", async () => {
    for (const { kernel } of await listBoards()) expect((await loadFragments(kernel.fragments)).overrides).toEqual([]);
  });

  test("one that is not there", async () => {
    await expect(loadFragments(["gone"], dir)).rejects.toMatchObject({ code: "RTK_FRAGMENT_MISSING", exitStatus: 2 });
  });
});
