import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { neededGlibc } from "../../src/bundle/glibc.ts";
import { rtkitRoot } from "../../src/core/paths.ts";

it("finds the newest version that any of the files asks for, as a number of parts", () => {
  const tables = ["\0librtnode.so\0GLIBC_2.9\0GLIBC_2.34\0", "\0GLIBC_2.17\0GLIBC_2.3.4\0"];
  expect(neededGlibc(tables.map((table) => Buffer.from(table)))).toBe("2.34");
  expect(neededGlibc([Buffer.from("\0GLIBC_PRIVATE\0no GLIBC_9.9 here\0")])).toBeUndefined();
});

it("finds it in the library that is preloaded", async () => {
  const library = await readFile(join(rtkitRoot, "build/device/arm64/librtnode.so"));
  expect(neededGlibc([library])).toMatch(/^2\.\d+$/);
});
