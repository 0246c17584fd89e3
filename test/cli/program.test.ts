import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli } from "../../src/cli/program.ts";

let dir: string;
let printed: string;
let complained: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "rtkit-cli-"));
  printed = "";
  complained = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((complained += String(text)), true));
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

/** The NDJSON lines that were printed. */
function lines(): Record<string, unknown>[] {
  return printed
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("the command line", () => {
  it("tells people how to call it, with exit status 2", async () => {
    expect(await runCli(["bild"])).toBe(2);
    expect(complained).toContain("unknown command 'bild'");
    expect(complained).toContain("Did you mean build?");
  });

  it("tells programs the same as one line", async () => {
    expect(await runCli(["build", "--bord", "rpi4", "--json"])).toBe(2);
    expect(lines()).toMatchObject([{ type: "error", code: "RTK_USAGE", message: expect.stringContaining("--bord") }]);
  });

  it("takes global options before the command as well, and on commands that have no use for them", async () => {
    expect(await runCli(["--json", "--project", dir, "--verbose", "boards"])).toBe(0);
    expect(lines()).toMatchObject([{ type: "result", boards: expect.any(Array) }]);
    printed = "";
    expect(await runCli([`--project=${dir}`, "--json", "kernel", "check", "--board", "rpi4"])).toBe(2);
    expect(lines()).toMatchObject([{ code: "RTK_CONFIG_NOT_FOUND" }]);
    printed = "";
    expect(await runCli(["kernel", "--json", "check", "--project", dir, "--board", "rpi4"])).toBe(2);
    expect(lines()).toMatchObject([{ code: "RTK_CONFIG_NOT_FOUND" }]);
    printed = "";
    expect(await runCli(["--json", "bild"])).toBe(2);
    expect(lines()).toMatchObject([{ code: "RTK_USAGE", message: expect.stringContaining("unknown command 'bild'") }]);
    printed = "";
    expect(await runCli(["--verbose", "kernel", "chekc"])).toBe(2);
    expect(complained).toContain("unknown command 'chekc'");
    expect(await runCli(["--dry-run", "boards"])).toBe(2);
    expect(complained).toContain("unknown option '--dry-run'");
  });

  it("shows help and version with exit status 0", async () => {
    expect(await runCli(["--help"])).toBe(0);
    expect(printed).toContain("build");
    expect(await runCli(["--version"])).toBe(0);
  });
});

describe("rtkit boards", () => {
  it("lists the boards, for people and for programs", async () => {
    expect(await runCli(["boards"])).toBe(0);
    expect(printed).toMatch(/^rpi4 +arm64 +4 CPUs +Raspberry Pi 4/m);
    printed = "";
    expect(await runCli(["boards", "--json"])).toBe(0);
    const [result] = lines() as { boards: { name: string }[] }[];
    expect(result?.boards.map(({ name }) => name)).toEqual(["qemu-arm64", "qemu-x86_64", "rpi4"]);
  });
});

it("rtkit inspect says that there is no such image before it fetches anything", async () => {
  vi.stubEnv("RTKIT_CACHE", join(dir, "cache"));
  expect(await runCli(["inspect", join(dir, "no.img"), "--json"])).toBe(2);
  expect(lines()).toMatchObject([{ code: "RTK_NOT_AN_IMAGE", message: expect.stringContaining("no such file") }]);
});

it("rtkit init prints a next command that can be pasted, whatever the folder is called", async () => {
  expect(await runCli(["init", join(dir, "my robot")])).toBe(0);
  expect(printed).toMatch(`rtkit build --project '${join(dir, "my robot")}'`);
});

describe("rtkit kernel check", () => {
  it("ends with 1 when a fatal option differs, and says which", async () => {
    const config = join(dir, "config");
    await writeFile(config, "# CONFIG_PREEMPT_RT is not set\nCONFIG_HIGH_RES_TIMERS=y\n");
    expect(await runCli(["kernel", "check", config, "--board", "rpi4"])).toBe(1);
    expect(printed).toMatch(/^differs +PREEMPT_RT +y +n +fatal/m);
  });

  it("says of a defconfig only what it names: what it leaves out has a default that another knows", async () => {
    const config = join(dir, "bcm2711_defconfig");
    await writeFile(config, "CONFIG_PREEMPT=y\nCONFIG_MMC_SDHCI_IPROC=y\n# CONFIG_HIGH_RES_TIMERS is not set\n");
    expect(await runCli(["kernel", "check", config, "--board", "rpi4", "--verbose"])).toBe(1);
    expect(printed).toMatch(/^not said +PREEMPT_RT +y +\? +fatal +without it/m);
    expect(printed).toMatch(/^differs +HIGH_RES_TIMERS +y +n +fatal/m);
    expect(printed).toMatch(/^satisfied +MMC_SDHCI_IPROC/m);
    expect(printed).toMatch(/^1 satisfied, 0 compensated at run time, 1 differ, \d+ not said: this is a defconfig/m);
  });

  it("counts the project's own fragments for another board too", async () => {
    const config = join(dir, "config");
    await writeFile(config, "CONFIG_SMP=y\n# CONFIG_ROBOT is not set\n");
    await writeFile(join(dir, "imu.py"), "");
    await writeFile(join(dir, "own.config"), "CONFIG_ROBOT=y\n");
    const kernel = "kernel: { fragments: [./own.config] }";
    await writeFile(join(dir, "rtkit.yaml"), `name: arm\nboard: rpi4\nnodes: { imu: { entry: imu.py } }\n${kernel}\n`);
    expect(await runCli(["kernel", "check", config, "--project", dir, "--board", "qemu-x86_64"])).toBe(1);
    expect(printed).toMatch(/^differs +ROBOT +y +n +fatal/m);
  });

  it("asks for a build when there is none to look at", async () => {
    await writeFile(join(dir, "imu.py"), "");
    await writeFile(join(dir, "rtkit.yaml"), "name: arm\nboard: rpi4\nnodes:\n  imu: { entry: imu.py }\n");
    expect(await runCli(["kernel", "check", "--project", dir, "--json"])).toBe(2);
    expect(lines()).toMatchObject([
      {
        code: "RTK_NOT_BUILT",
        hint: expect.stringMatching(
          `^run: .*rtkit build --project .*${basename(dir)} --board rpi4; or name what is to be checked$`,
        ),
      },
    ]);
  });
});

it.each(["config", "build"])("rtkit kernel %s says how a kernel comes to be compiled", async (command) => {
  await writeFile(join(dir, "imu.py"), "");
  await writeFile(join(dir, "rtkit.yaml"), "name: arm\nboard: rpi4\nnodes:\n  imu: { entry: imu.py }\n");
  expect(await runCli(["kernel", command, "--project", dir, "--json"])).toBe(2);
  expect(lines().at(-1)).toMatchObject({
    code: "RTK_KERNEL_SOURCE",
    hint: expect.stringContaining("kernel: { source: debian }"),
  });
});

describe("a mistake in the project file", () => {
  it("is one message with its place, exit status 2, and no stack trace", async () => {
    await writeFile(join(dir, "rtkit.yaml"), "name: arm\nboard: rpi4\nnods: {}\n");
    expect(await runCli(["build", "--project", dir])).toBe(2);
    expect(complained).toMatch(/rtkit\.yaml:3:1: .*"?nods"?/);
    expect(complained).toContain("→");
    expect(complained).not.toMatch(/\.ts:\d+/);
  });
});
