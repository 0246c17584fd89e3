import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeAll, beforeEach } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms, deviceDir, run } from "./support.ts";
import type { Outcome } from "./support.ts";
import { scratchDir } from "../scratch.ts";

/** The program under test. */
export const program = join(rtkitRoot, "src", "device", "rtnodectl");
let root: string;

/** The board's root; a fresh one for each test, with an active release abc123 without nodes. */
export const boardRoot = (): string => root;

/** Makes the board of each test of a file. */
export function useBoardRoot(): void {
  beforeAll(buildDevicePrograms);
  beforeEach(makeRoot);
}

function makeRoot(): void {
  root = scratchDir("rtnodectl-");
  for (const dir of ["opt/rtnode/releases/abc123/nodes", "run", "bin", "usr/lib/rtnode", "sys/kernel"]) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  symlinkSync("releases/abc123", join(root, "opt/rtnode/current"));
  symlinkSync(join(deviceDir, "rt-launch"), launcher());
  writeFileSync(join(root, "usr/lib/rtnode/groups"), "gpio\ni2c\n");
  writeFakes({});
}

/** The board's launcher: the real one, unless a test puts another one there. */
export const launcher = (): string => join(root, "usr/lib/rtnode/rt-launch");

/** A launcher whose answer to `show` is known. */
export function writeFakeLauncher(script: string): void {
  rmSync(launcher());
  writeFileSync(launcher(), `#!/bin/sh\n${script}\n`);
  chmodSync(launcher(), 0o755);
}

/** A systemctl that writes down what it is asked, and an uname that is told what to say. */
export function writeFakes({ show = "ActiveState=inactive\nMainPID=0", version = "#1 SMP" }): void {
  const systemctl = `#!/bin/sh
echo "$*" >>'${root}/calls'
[ "$1" = show ] || exit 0
shift 3
for unit; do printf '%s\\nId=%s\\n\\n' '${show}' "$unit"; done
`;
  const uname = `#!/bin/sh\necho '6.12.0-rt ${version} x86_64'\n`;
  for (const [name, text] of Object.entries({ systemctl, uname })) {
    writeFileSync(join(root, "bin", name), text);
    chmodSync(join(root, "bin", name), 0o755);
  }
}

/** Writes a node's launch options. */
export function conf(name: string, text: string): void {
  writeFileSync(join(root, "opt/rtnode/current/nodes", `${name}.conf`), text);
}

export function rtnodectl(...words: string[]): Promise<Outcome> {
  const path = `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}`;
  return run(["sh", program, ...words], { RTNODE_ROOT: root, PATH: path });
}

/** What systemctl was asked since the last time, without questions. */
export function calls(): string[] {
  const file = join(root, "calls");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  rmSync(file, { force: true });
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("show"));
}
