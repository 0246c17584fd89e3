import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { exec } from "../../../src/core/exec.ts";
import { rtkitRoot } from "../../../src/core/paths.ts";
import { scratchDir } from "../../scratch.ts";

const source = join(rtkitRoot, "src", "rootfs", "dispatch");
const built = scratchDir("dispatch-");
const roles = ["twin", "retargeted", "qemu"] as const;

beforeAll(async () => {
  await exec("make", ["-C", source, `OUT=${built}`]);
  for (const role of roles) {
    const standIn = join(import.meta.dirname, "stand-in.c");
    await exec("gcc", ["-static", `-DROLE="${role}"`, "-o", join(built, role), standIn]);
  }
});

/** A root file system with the dispatcher, in which the target's own programs would not run. */
let root = "";

beforeEach(async () => {
  root = scratchDir("root-");
  await mkdir(join(root, "usr/bin"), { recursive: true });
  await symlink("usr/bin", join(root, "bin"));
  await put("dispatch", "/dispatch");
  await put("qemu", "/.native/qemu");
  await deny("");
});

async function put(from: string, path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await cp(join(built, from), join(root, path));
}

/** A program of the target, and where asked the same one for the host, plain or with the target's constant. */
async function program(path: string, ...twins: readonly ("twin" | "retargeted")[]): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), "of the target", { mode: 0o755 });
  for (const twin of twins) await put(twin, `/.native/${twin === "twin" ? "tree" : "retargeted"}${path}`);
}

async function deny(text: string): Promise<void> {
  await mkdir(join(root, ".native"), { recursive: true });
  await writeFile(join(root, ".native/deny"), text);
}

/** Starts the dispatcher as the kernel does: PROGRAM ARGV0 ARGUMENT... */
async function dispatch(...words: readonly string[]): Promise<{ readonly status: number; readonly said: string }> {
  const inRoot = ["unshare", "--user", "--map-root-user", "chroot", root, "/dispatch", ...words];
  const { stdout } = await exec("sh", ["-c", '"$@" 2>&1; echo $?', "sh", ...inRoot]);
  const [status = "", ...said] = stdout.trimEnd().split("\n").toReversed();
  return { status: Number(status), said: said.toReversed().join("\n") };
}

const runsAs = async (path: string): Promise<string> => (await dispatch(path, "x")).said.split(" ")[0] ?? "";

describe("a program of the target", () => {
  test("runs as its native twin, with its own name for itself, its arguments and its status", async () => {
    await program("/usr/bin/sed", "twin");
    expect(await dispatch("/usr/bin/sed", "-sed", "", "a b", "*")).toEqual({
      status: 7,
      said: 'twin "-sed" "" "a b" "*"',
    });
  });

  test("is emulated where there is no twin, with the same", async () => {
    await program("/usr/bin/robot");
    expect(await dispatch("/usr/bin/robot", "-robot", "", "a b", "*")).toEqual({
      status: 7,
      said: 'qemu "/.native/qemu" "-0" "-robot" "/usr/bin/robot" "" "a b" "*"',
    });
    expect((await dispatch("/usr/bin/robot", "r")).said).toBe('qemu "/.native/qemu" "-0" "r" "/usr/bin/robot"');
  });

  test("is found through the target's links", async () => {
    await program("/usr/bin/dash", "twin");
    await symlink("dash", join(root, "usr/bin/sh"));
    expect(await runsAs("/bin/sh")).toBe("twin");
  });

  test("that is not there any more is qemu's to complain about", async () =>
    expect(await runsAs("/usr/bin/gone")).toBe("qemu"));

  test("is emulated when its twin is no program", async () => {
    await program("/usr/bin/sed", "twin");
    await chmod(join(root, ".native/tree/usr/bin/sed"), 0o644);
    expect(await runsAs("/usr/bin/sed")).toBe("qemu");
    await rm(join(root, ".native/tree/usr/bin/sed"));
    await mkdir(join(root, ".native/tree/usr/bin/sed"));
    expect(await runsAs("/usr/bin/sed")).toBe("qemu");
  });

  test("is emulated when its twin does not start", async () => {
    await program("/usr/bin/sed", "twin");
    await writeFile(join(root, ".native/tree/usr/bin/sed"), "no program", { mode: 0o755 });
    expect(await runsAs("/usr/bin/sed")).toBe("qemu");
  });
});

describe("the deny list", () => {
  test("names programs that are emulated, wherever they are", async () => {
    await deny("# sed in a comment\n\nuname  # answers for the machine\n");
    await program("/usr/bin/uname", "twin");
    await program("/usr/sbin/uname", "twin");
    await program("/usr/bin/sed", "twin");
    await program("/usr/bin/uname2", "twin");
    expect(await runsAs("/usr/bin/uname")).toBe("qemu");
    expect(await runsAs("/usr/sbin/uname")).toBe("qemu");
    expect(await runsAs("/usr/bin/sed")).toBe("twin");
    expect(await runsAs("/usr/bin/uname2")).toBe("twin");
  });

  test("is about the file that a link leads to", async () => {
    await deny("ldconfig.real\n");
    await program("/usr/sbin/ldconfig.real", "twin");
    await symlink("ldconfig.real", join(root, "usr/sbin/ldconfig"));
    expect(await runsAs("/usr/sbin/ldconfig")).toBe("qemu");
  });

  test("may ask for a path that is in the target", async () => {
    await deny("perl /usr/share/perl # the whole of perl\nperl /usr/lib/perl5 # compiled modules\n");
    await program("/usr/bin/perl", "twin");
    expect(await runsAs("/usr/bin/perl")).toBe("twin");
    for (const folder of ["usr/share/perl", "usr/lib/perl5"]) {
      await mkdir(join(root, folder), { recursive: true });
      expect(await runsAs("/usr/bin/perl")).toBe("qemu");
      await rm(join(root, folder), { recursive: true });
    }
  });

  test("is not about copies that answer for the target", async () => {
    await deny("dpkg\n");
    await program("/usr/bin/dpkg", "twin", "retargeted");
    expect(await runsAs("/usr/bin/dpkg")).toBe("retargeted");
  });

  test("that cannot be read ends the build: it is not an empty one", async () => {
    await program("/usr/bin/uname", "twin");
    await rm(join(root, ".native/deny"));
    expect(await dispatch("/usr/bin/uname", "uname")).toEqual({
      status: 127,
      said: "dispatch: fopen /.native/deny: No such file or directory",
    });
    await mkdir(join(root, ".native/deny"));
    expect(await dispatch("/usr/bin/uname", "uname")).toEqual({
      status: 126,
      said: "dispatch: fgets /.native/deny: Is a directory",
    });
  });

  test("of rtkit has a reason for each name, in lines as long as the dispatcher reads", async () => {
    const lines = (await readFile(join(source, "deny.list"), "utf8")).split("\n");
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(255);
    for (const line of lines) expect(line).toMatch(/^$|^#|^[\w.+-]+(?: +\/[\w./-]+)? +# \S/);
    await deny(lines.join("\n"));
    for (const name of ["dpkg-query", "ldconfig", "uname"]) {
      await program(`/usr/bin/${name}`, "twin");
      expect(await runsAs(`/usr/bin/${name}`)).toBe("qemu");
    }
  });
});

test("without qemu, and started by hand, it says so", async () => {
  await program("/usr/bin/robot");
  await rm(join(root, ".native/qemu"));
  expect(await dispatch("/usr/bin/robot", "robot")).toEqual({
    status: 127,
    said: "dispatch: execve /.native/qemu: No such file or directory",
  });
  expect(await dispatch("/usr/bin/robot")).toEqual({
    status: 126,
    said: "dispatch: started by hand; binfmt_misc starts it",
  });
});
