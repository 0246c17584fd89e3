import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { exec } from "../core/exec.ts";
import { parseDisks, type Disk } from "./disks.ts";

const BY_ID = "/dev/disk/by-id";

/** The disks of this machine, see {@link parseDisks}. */
export async function readDisks(signal: AbortSignal): Promise<readonly Disk[]> {
  const { stdout } = await exec("lsblk", ["--json", "--bytes", "--output-all"], {
    signal,
    installHint: "apt-get install util-linux",
  });
  return parseDisks({
    lsblk: stdout,
    mountinfo: await readFile("/proc/self/mountinfo", "utf8"),
    mmcTypes: await ofEach(/^mmcblk\d+$/, join("device", "type")),
    byId: await stableNames(),
    backingFiles: await ofEach(/^loop\d+$/, join("loop", "backing_file")),
    sequences: Object.fromEntries(
      Object.entries(await ofEach(/./, "diskseq")).map(([name, text]) => [name, Number(text)]),
    ),
  });
}

/** What a file below /sys/block/X says of each device that has one, by kernel name. */
async function ofEach(names: RegExp, file: string): Promise<Record<string, string>> {
  const devices = (await readdir("/sys/block").catch(() => [])).filter((name) => names.test(name));
  const texts = devices.map(async (name) => {
    const text = await readFile(join("/sys/block", name, file), "utf8").catch(() => undefined);
    return text === undefined ? [] : [[name, text.trim()] as const];
  });
  return Object.fromEntries((await Promise.all(texts)).flat());
}

async function stableNames(): Promise<Record<string, string>> {
  const names = await readdir(BY_ID).catch(() => []);
  const links = names.map(async (name) => [name, `/dev/${basename(await readlink(join(BY_ID, name)))}`] as const);
  return Object.fromEntries(await Promise.all(links));
}
