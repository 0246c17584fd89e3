import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import { aptConf, aptEnv } from "../../src/rootfs/apt.ts";
import { makeRepository } from "../../src/rootfs/repository.ts";
import { scratchDir } from "../scratch.ts";
import { makeDeb } from "./debs.ts";

const signal = new AbortController().signal;

/** An apt of its own that knows this source and nothing of the host's. */
async function aptWith(source: string): Promise<{
  readonly dir: string;
  readonly run: (program: string, ...args: string[]) => Promise<string>;
}> {
  const dir = scratchDir("apt-root-");
  for (const folder of ["lists/partial", "cache/archives/partial", "etc"])
    await mkdir(join(dir, folder), { recursive: true });
  await writeFile(join(dir, "status"), "");
  await writeFile(join(dir, "sources.list"), source);
  const conf = join(dir, "apt.conf");
  await writeFile(
    conf,
    aptConf({
      Dir: dir,
      "Dir::State": dir,
      "Dir::State::lists": `${dir}/lists/`,
      "Dir::State::status": join(dir, "status"),
      "Dir::Cache": join(dir, "cache"),
      "Dir::Etc": join(dir, "etc"),
      "Dir::Etc::sourcelist": join(dir, "sources.list"),
      "APT::Architecture": "arm64",
      "APT::Architectures": "arm64",
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
    }),
  );
  return {
    dir,
    run: async (program, ...args) => (await exec(program, args, { env: aptEnv(conf), cwd: dir })).stdout,
  };
}

describe("an archive of exactly these packages", () => {
  test.each(["repository", "a folder", "a#b", "50%20", 'quo"te', "br[ack]et", "semi;colon", "a+b~c", "Ünïcode"])(
    "is what apt reads and fetches from a folder named %j",
    async (name) => {
      const dir = scratchDir("repository-");
      const packages = [
        await makeDeb(dir, "robot-arm", { version: "2:1.0+git~1-1" }),
        await makeDeb(dir, "libarm++1", { architecture: "arm64" }),
      ];
      const source = await makeRepository(join(dir, name), {
        suite: "trixie",
        architecture: "arm64",
        packages,
        signal,
      });
      const apt = await aptWith(source);
      await apt.run("apt-get", "--error-on=any", "update");
      expect((await apt.run("apt-cache", "pkgnames")).trim().split("\n").toSorted()).toEqual([
        "libarm++1",
        "robot-arm",
      ]);
      expect(await apt.run("apt-cache", "policy", "robot-arm")).toContain("Candidate: 2:1.0+git~1-1");
      // Only the repository has them now: mmdebstrap fetches from there.
      for (const { file } of packages) await rm(file);
      for (const { locked } of packages) await apt.run("apt-get", "download", locked.name);
      const fetched = (await readdir(apt.dir)).filter((file) => file.endsWith(".deb"));
      const digests = await Promise.all(fetched.map(async (file) => digestFile(join(apt.dir, file))));
      expect(digests.toSorted()).toEqual(packages.map(({ locked }) => locked.sha256).toSorted());
    },
  );
});
