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
    mmcTypes: await mmcTypes(),
    byId: await stableNames(),
  });
}

async function mmcTypes(): Promise<Record<string, string>> {
  const names = (await readdir("/sys/block").catch(() => [])).filter((name) => /^mmcblk\d+$/.test(name));
  const types = names.map(async (name) => {
    const type = await readFile(join("/sys/block", name, "device", "type"), "utf8").catch(() => "");
    return [name, type.trim()] as const;
  });
  return Object.fromEntries(await Promise.all(types));
}

async function stableNames(): Promise<Record<string, string>> {
  const names = await readdir(BY_ID).catch(() => []);
  const links = names.map(async (name) => [name, `/dev/${basename(await readlink(join(BY_ID, name)))}`] as const);
  return Object.fromEntries(await Promise.all(links));
}
