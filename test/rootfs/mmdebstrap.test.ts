import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import { bootstrap, tellingLines } from "../../src/rootfs/mmdebstrap.ts";
import { scratchDir } from "../scratch.ts";

test("a failure shows mmdebstrap's last lines and leaves no tree", async () => {
  const dir = scratchDir("mmdebstrap-");
  const scratch = join(dir, "scratch");
  await mkdir(scratch);
  const lines: string[] = [];
  const failed = bootstrap({
    suite: "trixie",
    architecture: "amd64",
    sources: `deb [trusted=yes] copy:${dir}/no-repository trixie main\n`,
    foreign: { kind: "native" },
    options: ["--variant=apt"],
    tar: join(dir, "packages.tar"),
    scratch,
    sourceDateEpoch: 0,
    onLine: (line) => lines.push(line),
    signal: new AbortController().signal,
  });
  const error: unknown = await failed.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RtkitError);
  expect(error).toMatchObject({ code: "RTK_PACKAGES_FAILED", exitStatus: 1 });
  const { message } = error as RtkitError;
  expect(message).toContain("apt-get");
  // Not its telling of its own cleaning up, which comes after.
  expect(lines.some((line) => line.includes("removing tempdir"))).toBe(true);
  expect(message).not.toContain("removing tempdir");
  expect(existsSync(scratch)).toBe(false);
});

test("a package that cannot be configured is told with its own words, not with those of the packages after it", () => {
  const before = Array.from({ length: 30 }, (_, index) => `Setting up package-${index} ...`);
  const cause = [
    "Setting up robot-arm (1.0) ...",
    "robot-arm: no arm",
    "dpkg: error processing package robot-arm (--configure):",
    " installed robot-arm package post-installation script subprocess returned error exit status 2",
  ];
  const told = tellingLines([...before, ...cause, ...before, "E: Sub-process env returned an error code (1)"]);
  expect(told).toHaveLength(15);
  expect(told.slice(-4)).toEqual(cause);
  expect(tellingLines(cause.slice(0, 2))).toEqual(cause.slice(0, 2));
});
