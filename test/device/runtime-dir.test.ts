import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compileWith } from "./compile.ts";
import { buildDevicePrograms, run } from "./support.ts";

let program = "";
beforeAll(async () => {
  await buildDevicePrograms();
  program = await compileWith("librtnode.so", ["driver.c"]);
});

/** A mount namespace of its own, where a script may put what it likes in the place of /run and /dev/shm. */
const apart = ["unshare", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--mount", "sh", "-ec"];
const possible = (await run([...apart, "mount -t tmpfs none /run && mount -t tmpfs none /dev/shm"])).status === 0;

/** What the driver answers to commands in a world that the script has made. */
async function answersIn(
  script: string,
  commands: readonly string[],
  env: Record<string, string> = {},
): Promise<string[]> {
  const world = `
mount -t tmpfs none /run
mount -t tmpfs none /dev/shm
${script}
printf '%s\\n' "$@" | ${program}
find /run /dev/shm -type f | sort`;
  const { stdout } = await run([...apart, world, "sh", ...commands], env);
  return stdout.trim().split("\n");
}

describe.skipIf(!possible)("nodes meet", () => {
  const open = "open 0 1 t x:f64 8";

  test("in /run/rtnode, where there is one that they may write to", async () => {
    expect(await answersIn("mkdir /run/rtnode", [open, "begin a"])).toEqual([
      "0",
      "0",
      "/run/rtnode/a.stats",
      "/run/rtnode/t.topic",
    ]);
  });

  test("elsewhere in a folder of their user's own in /dev/shm", async () => {
    expect(await answersIn("", [open])).toEqual(["0", "/dev/shm/rtnode-0/t.topic"]);
    expect(await answersIn("mkdir -m 700 /dev/shm/rtnode-0", [open])).toEqual(["0", "/dev/shm/rtnode-0/t.topic"]);
  });

  test("where $RTNODE_RUNTIME_DIR says, and nowhere else", async () => {
    const env = { RTNODE_RUNTIME_DIR: scratchDir("rtnode-run-") };
    expect(await answersIn("mkdir /run/rtnode", [open], env)).toEqual(["0"]);
    expect(
      await answersIn("mkdir /run/rtnode", [open], { RTNODE_RUNTIME_DIR: join(env.RTNODE_RUNTIME_DIR, "none") }),
    ).toEqual(["ENOENT"]);
  });

  test("not in what somebody else has put in that folder's place", async () => {
    expect((await answersIn("mkdir /run/other; ln -s /run/other /dev/shm/rtnode-0", [open, "begin a"]))[0]).toBe(
      "EPERM",
    );
    expect((await answersIn("touch /dev/shm/rtnode-0", [open]))[0]).toBe("EPERM");
    if (process.getuid?.() === 0) {
      expect((await answersIn("mkdir -m 777 /dev/shm/rtnode-0; chown 1 /dev/shm/rtnode-0", [open]))[0]).toBe("EPERM");
    }
  });

  test("not where memory is full: that is told, and not a crash", async () => {
    const full = "mkdir /run/rtnode; mount -t tmpfs -o size=16k none /run/rtnode";
    const large = "open 0 1 t x:f64[2000] 16000";
    expect(await answersIn(full, [large, "begin a", "alive", open])).toEqual([
      "ENOSPC",
      "ENOSPC",
      "0",
      "0",
      "/run/rtnode/t.topic",
    ]);
  });
});
