import { describe, expect, test } from "vitest";
import { countSubordinateIds, firstFreeId, isNoexec, judgeHost, type HostFacts } from "../../src/rootfs/host-check.ts";

const good: HostFacts = {
  user: "ada",
  missingPrograms: [],
  subordinateUids: 65536,
  subordinateGids: 65536,
  firstFreeId: 165536,
  userNamespace: true,
  sysctls: {},
  keyring: true,
  freeBytes: 100 * 1024 ** 3,
  cacheDir: "/home/ada/.cache/rtkit",
  cacheExecutable: true,
  foreign: {
    host: "amd64",
    target: "arm64",
    registration: undefined,
    qemu: "/usr/bin/qemu-aarch64-static",
    dispatcher: "/rtkit/dispatch",
    privateBinfmt: true,
  },
};

const judge = (change: Partial<HostFacts>): string[] =>
  judgeHost({ ...good, ...change }).map(({ code, hint }) => `${code}: ${hint ?? ""}`);

describe("judgeHost", () => {
  test("a host that has everything", () => expect(judge({})).toEqual([]));

  test("missing programs are named with their packages, each once", () => {
    expect(judge({ missingPrograms: ["mmdebstrap", "newuidmap", "newgidmap"], userNamespace: undefined })).toEqual([
      "RTK_HOST_PROGRAM: run: sudo apt-get install mmdebstrap uidmap",
    ]);
  });

  test("no subordinate ids: the one command, and no complaint about the namespace that follows from it", () => {
    expect(judge({ subordinateUids: 0, userNamespace: false })).toEqual([
      "RTK_HOST_SUBIDS: run: sudo usermod --add-subuids 165536-231071 --add-subgids 165536-231071 ada",
    ]);
  });

  test.each([
    ["kernel.apparmor_restrict_unprivileged_userns", "1", "0"],
    ["kernel.unprivileged_userns_clone", "0", "1"],
    ["user.max_user_namespaces", "0", "15000"],
  ])("user namespaces forbidden by %s", (name, forbids, allows) => {
    expect(judge({ userNamespace: false, sysctls: { [name]: forbids } })).toEqual([
      `RTK_HOST_USERNS: run: sudo sysctl -w ${name}=${allows}`,
    ]);
  });

  test("user namespaces forbidden by something unknown, which may be a container", () => {
    const [error, ...more] = judgeHost({ ...good, userNamespace: false });
    expect(more).toEqual([]);
    expect(error).toMatchObject({
      code: "RTK_HOST_USERNS",
      message: "this host does not let you mount in a user namespace of your own",
    });
    expect(error?.hint).toMatch(
      /^in a container: start it with --security-opt seccomp=unconfined .*; elsewhere see why/,
    );
  });

  test("keyring, disk and noexec", () => {
    expect(judge({ keyring: false, freeBytes: 1024 ** 3, cacheExecutable: false })).toEqual([
      "RTK_HOST_KEYRING: run: sudo apt-get install debian-archive-keyring",
      "RTK_HOST_DISK: make room, or put the cache on another disk: export RTKIT_CACHE=/path/with/room",
      "RTK_HOST_NOEXEC: put the cache elsewhere: export RTKIT_CACHE=/path/without/noexec",
    ]);
  });

  test("several at once", () => {
    expect(judge({ keyring: false, subordinateGids: 10, foreign: { ...good.foreign, qemu: undefined } })).toHaveLength(
      3,
    );
  });
});

test("subordinate ids by name and by number, in several ranges", () => {
  const text = "root:100000:65536\nada:165536:60000\n1000:300000:5536\nbroken:line\n\n";
  expect(countSubordinateIds(text, "ada", 1000)).toBe(65536);
  expect(countSubordinateIds(text, "eve", 1001)).toBe(0);
});

test("ids that are given to nobody begin above all that are", () => {
  expect(firstFreeId("")).toBe(100_000);
  expect(firstFreeId("eve:1000:5\nbroken:line")).toBe(100_000);
  expect(firstFreeId("root:231072:65536\nada:100000:65536\n")).toBe(296_608);
});

test("noexec of the innermost mount", () => {
  const mounts = [
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
    "30 22 0:30 / /home rw,noexec - ext4 /dev/vdb rw",
    "31 30 0:31 / /home/ada\\040x rw - ext4 /dev/vdc rw",
  ].join("\n");
  expect(isNoexec(mounts, "/home/eve/.cache")).toBe(true);
  expect(isNoexec(mounts, "/home/ada x/.cache")).toBe(false);
  expect(isNoexec(mounts, "/homes")).toBe(false);
});
