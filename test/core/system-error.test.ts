import { mkdir, readdir, symlink } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { requireWritable, systemError } from "../../src/core/system-error.ts";
import { scratchDir } from "../scratch.ts";

/** An error as Node's file system makes it. */
function failed(code: string, call: { syscall: string; path?: string; dest?: string; errno?: number }): Error {
  return Object.assign(new Error(`${code}: …, ${call.syscall}`), { code, ...call });
}

it("a full disk is said with what there is no room for", () => {
  const write = failed("ENOSPC", { syscall: "write" });
  expect(systemError(write)).toMatchObject({
    code: "RTK_DISK_FULL",
    message: "a disk is full (ENOSPC)",
    hint: expect.stringContaining("df -h") as string,
    exitStatus: 1,
    cause: write,
  });
  const copy = failed("ENOSPC", { syscall: "copyfile", path: "/cache/a", dest: "/p/out/a" });
  expect(systemError(copy)?.message).toBe("no room is left for /p/out/a (ENOSPC)");
});

it("so is a quota that is used up, for which Node has no name", () => {
  const errno = -constants.errno.EDQUOT;
  const error = failed(`Unknown system error ${errno}`, { syscall: "open", path: "/p/out/a", errno });
  expect(systemError(error)).toMatchObject({
    code: "RTK_DISK_FULL",
    message: "no room is left for /p/out/a (EDQUOT)",
  });
});

it.each([
  ["EACCES", "permission denied", "chown"],
  ["EPERM", "operation not permitted", "chown"],
  ["EROFS", "read-only file system", "mounted for writing"],
])("a file that may not be used is named: %s", (code, reason, hint) => {
  const open = failed(code, { syscall: "open", path: "/p/out/a" });
  expect(systemError(open)).toMatchObject({
    code: "RTK_FILE_ACCESS",
    message: `cannot use /p/out/a: ${reason} (${code})`,
    hint: expect.stringContaining(hint) as string,
    exitStatus: 1,
    cause: open,
  });
  const rename = failed(code, { syscall: "rename", path: "/p/a", dest: "/p/b" });
  expect(systemError(rename)?.message).toBe(`cannot use /p/a or /p/b: ${reason} (${code})`);
});

it("what is not about a file of the user's stays a bug", () => {
  expect(systemError(failed("EPERM", { syscall: "kill" }))).toBeUndefined();
  expect(systemError(failed("ENOENT", { syscall: "open", path: "/p/a" }))).toBeUndefined();
  // There are no more watches.
  expect(systemError(failed("ENOSPC", { syscall: "watch", path: "/p" }))).toBeUndefined();
  expect(systemError(new Error("a bug"))).toBeUndefined();
  expect(systemError("a bug")).toBeUndefined();
});

it("a folder for results is made, and nothing is left in it", async () => {
  const dir = join(scratchDir("rtkit-writable-"), "out", "rpi4");
  await requireWritable(dir);
  expect(await readdir(dir)).toEqual([]);
});

it("a folder for results that cannot be written is named", async () => {
  const dir = scratchDir("rtkit-writable-");
  // Nobody can make anything in sysfs, not even root.
  await expect(requireWritable("/sys/out")).rejects.toMatchObject({
    code: "RTK_FILE_ACCESS",
    message: expect.stringContaining("/sys/out:") as string,
  });
  await mkdir(join(dir, "out"));
  await symlink("/sys", join(dir, "out", "rpi4"));
  const error: unknown = await requireWritable(join(dir, "out", "rpi4")).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RtkitError);
  expect(error).toMatchObject({ message: expect.stringContaining(join(dir, "out", "rpi4:")) as string });
});

it("so is one on a file system that is read-only, as in a container", async () => {
  const dir = scratchDir("rtkit-writable-");
  await mkdir(join(dir, "there"));
  const program = `
    import { requireWritable } from ${JSON.stringify(join(rtkitRoot, "src", "core", "system-error.ts"))};
    for (const name of ["there", "missing", "out/rpi4"]) {
      await requireWritable(name).catch((error) => console.log(error.message));
    }`;
  const script = 'mount --bind -o ro "$1" "$1" && cd "$1" && exec "$2" --input-type=module --eval "$3"';
  const words = ["--map-root-user", "--mount", "sh", "-c", script, "sh", dir, process.execPath, program];
  const { stdout } = await exec("unshare", words);
  expect(stdout.trimEnd().split("\n")).toEqual([
    "cannot use there: read-only file system (EROFS)",
    "cannot use missing: read-only file system (EROFS)",
    "cannot use out/rpi4: read-only file system (EROFS)",
  ]);
});
