import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { Built } from "./board.ts";
import { rtkitResult } from "./cli.ts";

/** The part of manifest.json that tests read. */
interface Manifest {
  readonly cmdline: string;
  readonly release: string;
  readonly packages: readonly { readonly name: string }[];
  readonly kernel: {
    readonly options: readonly { readonly name: string; readonly verdict: string; readonly severity: string }[];
  };
  readonly layout: {
    readonly partitions: readonly {
      readonly content: string;
      readonly start: number;
      readonly size: number;
      readonly number: number;
    }[];
  };
}

/** What every image must be, looked at from outside with other people's tools. */
export function checkImage(built: () => Built): void {
  const manifest = async (): Promise<Manifest> => JSON.parse(await readFile(built().manifest.path, "utf8")) as Manifest;
  /** One partition as a file of its own. */
  const extract = async (content: string, file: string): Promise<void> => {
    const partition = (await manifest()).layout.partitions.find((candidate) => candidate.content === content);
    if (partition === undefined) throw new Error(`no ${content} partition`);
    const { start, size } = partition;
    const mib = 1024 ** 2;
    const where = [`skip=${start / mib}`, `count=${size / mib}`, "bs=1M", "conv=sparse"];
    await execa("dd", [`if=${built().image.path}`, `of=${file}`, ...where]);
  };

  it("is as large, and has the digest, that the result says", async () => {
    const { image, bmap, release, manifest: file, kernelConfig } = built();
    for (const { path, sha256 } of [image, bmap, release, file, kernelConfig])
      expect(await digestFile(path)).toBe(sha256);
  });

  it("has a partition table that fdisk reads and sfdisk finds nothing wrong with", async () => {
    const { stdout } = await execa("sfdisk", ["--verify", built().image.path]);
    expect(stdout).toMatch(/No errors detected/);
    const listing = await execa("fdisk", ["-l", built().image.path]);
    expect(listing.stdout.match(/\.img\d/g)).toHaveLength((await manifest()).layout.partitions.length);
  });

  it("has file systems that fsck.vfat and e2fsck find nothing wrong with", async () => {
    await inScratch(async (dir) => {
      await extract("boot", join(dir, "boot"));
      await execa("fsck.vfat", ["-n", join(dir, "boot")]);
      for (const content of ["root", "data"]) {
        await extract(content, join(dir, content));
        await execa("e2fsck", ["-fn", join(dir, content)]);
      }
    });
  });

  it("is copied whole by bmaptool with our bmap", async () => {
    await inScratch(async (dir) => {
      const copy = join(dir, "card");
      await execa("bmaptool", ["copy", "--bmap", built().bmap.path, built().image.path, copy]);
      expect(await digestFile(copy)).toBe(built().image.sha256);
    });
  });

  it("holds no host key, no machine id, no random seed, and no trace of the machine that built it", async () => {
    await inScratch(async (dir) => {
      const root = join(dir, "root");
      await extract("root", root);
      const debugfs = async (command: string): Promise<string> =>
        (await execa("debugfs", ["-R", command, root])).stdout;
      expect(await debugfs("ls -p /etc/ssh")).not.toMatch(/ssh_host_/);
      expect(await debugfs("cat /etc/machine-id")).toBe("");
      expect(await debugfs("ls -p /var/lib/systemd")).not.toMatch(/random-seed|credential\.secret/);
      expect(await debugfs("cat /etc/shadow")).not.toMatch(/^[^:]+:\$/m);
      // grep's exit status 1 means that it found nothing.
      const { exitCode } = await execa("grep", ["-q", "-a", "-F", rtkitRoot, root], { reject: false });
      expect(exitCode).toBe(1);
    });
  });

  it("has a kernel that was checked, without a fatal difference", async () => {
    const { kernel } = await manifest();
    expect(kernel.options.find(({ name }) => name === "PREEMPT_RT")).toMatchObject({
      severity: "fatal",
      verdict: "satisfied",
    });
    expect(kernel.options.filter(({ severity, verdict }) => severity === "fatal" && verdict === "differs")).toEqual([]);
  });

  it("shows with inspect, from the image alone, what the manifest says", async () => {
    interface Inspected {
      readonly boot: { readonly cmdline: string };
      readonly system: { readonly packages: readonly { readonly name: string }[]; readonly hostname: string };
      readonly release: { readonly id: string; readonly nodes: readonly { readonly name: string }[] };
    }
    const seen = await rtkitResult<Inspected>(["inspect", built().image.path]);
    const { cmdline, release, packages } = await manifest();
    expect(seen.boot.cmdline).toBe(cmdline);
    expect(seen.release.id).toBe(release);
    expect(seen.release.nodes.map(({ name }) => name)).toEqual(["controller", "planner"]);
    expect(seen.system.packages.map(({ name }) => name)).toEqual(packages.map(({ name }) => name));
    expect(seen.system.hostname).toBe("arm");
  });
}

async function inScratch(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "rtkit-e2e-"));
  try {
    await work(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}
