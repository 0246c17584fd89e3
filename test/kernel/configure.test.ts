import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import {
  configure,
  requestText,
  requireStuck,
  unstuckOptions,
  type Kept,
  type Unstuck,
} from "../../src/kernel/configure.ts";
import { parseFragment } from "../../src/kernel/fragment.ts";
import type { KernelTree } from "../../src/kernel/make.ts";
import { scratchDir } from "../scratch.ts";
import { fakeToolchain } from "./fake-toolchain.ts";

const options = parseFragment(
  [
    "CONFIG_PREEMPT_RT=y",
    "# severity: high\n# accept: m\nCONFIG_MMC=y",
    "# severity: high\n# when: EFI\nCONFIG_EFI_STUB=y",
    "CONFIG_GONE=y",
    'CONFIG_CMDLINE="a \\"b\\""',
    'CONFIG_LOCALVERSION="-2"',
    "CONFIG_NR_CPUS=4",
    "# CONFIG_KSM is not set",
  ].join("\n"),
  "robot.config",
  { severity: "fatal", reason: "asked for" },
);

let tree: KernelTree;
let asked: unknown;
beforeEach(async () => {
  const dir = scratchDir("kernel-");
  await mkdir(join(dir, "build"));
  const result =
    'CONFIG_PREEMPT_RT=y\nCONFIG_MMC=m\nCONFIG_CMDLINE="a \\"b\\""\nCONFIG_LOCALVERSION="-2"\nCONFIG_NR_CPUS=4\n';
  const toolchain = fakeToolchain(async ({ command, at, input }) => {
    if (command.includes("allnoconfig")) await writeFile(join(at("/build"), ".config"), result);
    if (command[0] !== "python3") return "6.12.118\n";
    asked = JSON.parse(input ?? "");
    const where = { file: "drivers/mmc/Kconfig", line: 6 };
    return JSON.stringify([
      { kind: "choice", where, choice: "Cards", won: "OTHER" },
      { kind: "unknown", near: [] },
    ]);
  });
  const signal = new AbortController().signal;
  const [source, build, ccache] = [join(dir, "source"), join(dir, "build"), join(dir, "ccache")];
  tree = { toolchain, architecture: "arm64", source, build, ccache, sourceDateEpoch: 0, signal };
});

async function unstuck(): Promise<Unstuck[]> {
  return unstuckOptions(options, (await configure(tree, options)).kept);
}

describe("a configuration", () => {
  test("Kconfig is asked with a line for each option", () => {
    expect(requestText(options).split("\n")).toEqual([
      "CONFIG_PREEMPT_RT=y",
      "CONFIG_MMC=y",
      "CONFIG_EFI_STUB=y",
      "CONFIG_GONE=y",
      'CONFIG_CMDLINE="a \\"b\\""',
      'CONFIG_LOCALVERSION="-2"',
      "CONFIG_NR_CPUS=4",
      "# CONFIG_KSM is not set",
      "",
    ]);
  });

  test("each option that is otherwise has its reason; one that means nothing is not missed", async () => {
    expect((await unstuck()).map(({ name, wanted, got, accepted, why }) => [name, wanted, got, accepted, why])).toEqual(
      [
        ["MMC", "y", "m", true, 'OTHER won the choice "Cards" (drivers/mmc/Kconfig:6)'],
        ["GONE", "y", "n", false, "this version of the kernel has no such option"],
      ],
    );
    expect(asked).toEqual({
      config: "/build/.config",
      requests: [
        { name: "MMC", value: "y" },
        { name: "GONE", value: "y" },
      ],
    });
  });

  test("what the project asks for and cannot have is an error with its place", async () => {
    const found = await unstuck();
    expect(() => requireStuck(found, (file) => file)).toThrow(
      expect.objectContaining({
        code: "RTK_KERNEL_OPTION",
        message: expect.stringContaining("CONFIG_GONE=y (robot.config:8) is n: this version of the kernel has no"),
      }),
    );
    expect(() => requireStuck(found.slice(0, 1), (file) => file)).not.toThrow();
  });
});

test.each([
  ["fatal", false],
  ["high", true],
] as const)("a module does as well as a driver that is built in, where it is %s: %s", (severity, accepted) => {
  const text = `# severity: ${severity}\n# reason: the card\n# accept: m\nCONFIG_MMC_BLOCK=y`;
  const kept: Kept = { name: "MMC_BLOCK", got: "m", reason: { kind: "unknown", near: [] } };
  expect(unstuckOptions(parseFragment(text, "board.config"), [kept])).toMatchObject([{ accepted }]);
});
