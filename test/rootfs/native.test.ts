import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hostArchitecture } from "../../src/core/architecture.ts";
import { exec } from "../../src/core/exec.ts";
import { foreignInputs, NATIVE_FUNCTIONS, prepareNative } from "../../src/rootfs/native.ts";
import { scratchDir } from "../scratch.ts";

const host = hostArchitecture() ?? "amd64";
const target = host === "amd64" ? "arm64" : "amd64";

/** Runs a script with the functions of the hooks, in a mount namespace as a build has one. */
async function inNamespace(script: string, tree: string, env: Readonly<Record<string, string>>): Promise<string[]> {
  const lines = ["set -eu", "umask 077", NATIVE_FUNCTIONS, script].join("\n");
  const args = ["--user", "--map-root-user", "--mount", "sh", "-c", lines, "sh", tree];
  const { stdout } = await exec("unshare", args, { env });
  return stdout.trimEnd().split("\n");
}

test("what native programs need appears in the target's root, for every user, and goes without a trace", async () => {
  const tools = scratchDir("tools of-");
  for (const folder of ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/bin"]) {
    await mkdir(join(tools, folder), { recursive: true });
    await writeFile(join(tools, folder, "of-the-host"), "");
  }
  await writeFile(join(tools, "usr/lib/ld-linux-aarch64.so.1"), "");
  await writeFile(join(tools, "usr/bin/dpkg"), `ELF\0${host}\0`);
  const qemu = join(scratchDir("qemu-"), "qemu");
  await writeFile(qemu, "emulator");
  const dispatch = scratchDir("dispatch-");
  const env = await prepareNative(dispatch, { qemu, toolsTree: tools, target });
  await chmod(join(dispatch, "usr"), 0o700);

  const tree = scratchDir("target of-");
  await mkdir(join(tree, "usr/lib"), { recursive: true });
  const triplet = host === "amd64" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
  const said = await inNamespace(
    [
      'native_up "$1"',
      'cd "$1"',
      "cat .native/qemu",
      "echo",
      `ls .native .native/tree/usr/bin usr/lib/${triplet}`,
      "find .native/deny .native/retargeted ! -perm -o=r",
      "find .native/retargeted -type d ! -perm -o=x",
      "tr '\\0' ' ' <.native/retargeted/usr/bin/dpkg",
      "echo",
      'native_down "$1"',
      "find . | sort",
    ].join("\n"),
    tree,
    env,
  );
  expect(said).toEqual(
    [
      ["emulator", ".native:", "deny", ...(host === "amd64" ? ["made-lib64"] : []), "qemu", "retargeted", "tree"],
      ["", ".native/tree/usr/bin:", "dpkg", "of-the-host", "", `usr/lib/${triplet}:`, "of-the-host"],
      [`ELF ${target} `, ".", "./usr", "./usr/lib"],
    ].flat(),
  );
  expect(await readdir(join(tools, "usr/lib", triplet))).toEqual(["of-the-host"]);
});

test("nothing happens where programs run otherwise", async () => {
  const tree = scratchDir("target-");
  expect(await inNamespace('native_up "$1"; ls -A "$1"; native_down "$1"; ls -A "$1"', tree, {})).toEqual([""]);
});

test("a step's inputs change with the dispatcher and its tools, not with a host that must emulate", async () => {
  expect(await foreignInputs(host, false, "tools")).toBe("native");
  expect(await foreignInputs(target, true, "tools")).toBe("emulated");
  const dispatched = JSON.stringify(await foreignInputs(target, false, "tools"));
  expect(dispatched).not.toBe(JSON.stringify(await foreignInputs(target, false, "other tools")));
});
