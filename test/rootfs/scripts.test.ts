import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";

const scripts = {
  grow: join(rtkitRoot, "overlays/base/rootfs/usr/lib/rtnode/grow-partition"),
  hostKey: join(rtkitRoot, "overlays/base/rootfs/usr/lib/rtnode/make-host-key"),
  tune: join(rtkitRoot, "overlays/rt-limits/rootfs/usr/lib/rtnode/rt-tune"),
};

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "scripts-"))));
afterEach(() => rmSync(dir, { recursive: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), content);
}
const get = (path: string): string => readFileSync(join(dir, path), "utf8").trim();
const run = (script: string, args: readonly string[], env: Readonly<Record<string, string>>): string =>
  execFileSync("sh", [script, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

const tune = (...parts: string[]): string => run(scripts.tune, parts, { RT_ROOT: dir });
const cpus = (isolated: string, online: string): void => {
  put("sys/devices/system/cpu/isolated", `${isolated}\n`);
  put("sys/devices/system/cpu/online", `${online}\n`);
  put("proc/irq/default_smp_affinity", "f\n");
  put("proc/irq/30/smp_affinity_list", "0-3\n");
  mkdirSync(join(dir, "sys/devices/system/cpu/cpufreq"), { recursive: true });
};

/** CPUs from 0 on. */
const upTo = (count: number): string => Array.from({ length: count }, (_, cpu) => cpu).join(",");

describe("rt-tune", () => {
  test("the performance governor where there is one", () => {
    cpus("", "0-3");
    const policy = "sys/devices/system/cpu/cpufreq/policy";
    put(`${policy}0/scaling_available_governors`, "ondemand performance schedutil \n");
    put(`${policy}0/scaling_governor`, "schedutil\n");
    put(`${policy}4/scaling_available_governors`, "powersave performance_not\n");
    put(`${policy}4/scaling_governor`, "powersave\n");
    tune("governor");
    expect([get(`${policy}0/scaling_governor`), get(`${policy}4/scaling_governor`)]).toEqual([
      "performance",
      "powersave",
    ]);
  });

  test.each([
    ["3", "0-3", "7", "0,1,2"],
    ["2-3", "0-3", "3", "0,1"],
    ["1,3", "0-3", "5", "0,2"],
    ["33-35", "0-35", "1,ffffffff", upTo(33)],
    ["70-79", "0-79", "3f,ffffffff,ffffffff", upTo(70)],
    ["127", "0-127", "7fffffff,ffffffff,ffffffff,ffffffff", upTo(127)],
    ["1-127", "0-127", "1", "0"],
    ["1-98", "0-99", "8,00000000,00000000,00000001", "0,99"],
  ])("interrupts away from CPUs %s of %s", (isolated, online, mask, list) => {
    cpus(isolated, online);
    tune("interrupts");
    expect([get("proc/irq/default_smp_affinity"), get("proc/irq/30/smp_affinity_list")]).toEqual([mask, list]);
  });

  test("an interrupt that the kernel does not move keeps no other from being moved", () => {
    cpus("3", "0-3");
    // Nobody can write to it, root neither.
    mkdirSync(join(dir, "proc/irq/11/smp_affinity_list"), { recursive: true });
    expect(tune("interrupts")).toBe("");
    expect(get("proc/irq/30/smp_affinity_list")).toBe("0,1,2");
  });

  test("without isolated CPUs interrupts and fair servers stay", () => {
    cpus("", "0-3");
    put("sys/kernel/debug/sched/fair_server/cpu3/runtime", "50000000\n");
    tune();
    expect(get("proc/irq/default_smp_affinity")).toBe("f");
    expect(get("sys/kernel/debug/sched/fair_server/cpu3/runtime")).toBe("50000000");
  });

  test("the fair server goes off on isolated CPUs alone, and memory stays where it is", () => {
    cpus("2-3", "0-3");
    for (const cpu of [0, 1, 2, 3]) put(`sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`, "50000000\n");
    put("sys/kernel/mm/ksm/run", "1\n");
    put("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    tune();
    expect([0, 1, 2, 3].map((cpu) => get(`sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`))).toEqual([
      "50000000",
      "50000000",
      "0",
      "0",
    ]);
    expect([get("sys/kernel/mm/ksm/run"), get("sys/kernel/mm/transparent_hugepage/enabled")]).toEqual(["0", "never"]);
  });

  test("a part it does not know", () => expect(() => tune("everything")).toThrow("no part is called everything"));
});

const table = (image: string): { start: number; size: number }[] => {
  const json = execFileSync("/usr/sbin/sfdisk", ["--json", image], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return (JSON.parse(json) as { partitiontable: { partitions: { start: number; size: number }[] } }).partitiontable
    .partitions;
};

const grow = (data: string): string =>
  run(scripts.grow, [], {
    PATH: `${join(dir, "bin")}:/usr/sbin:${process.env["PATH"] ?? ""}`,
    GROW_SYSFS: join(dir, "sys"),
    GROW_DEVICES: join(dir, "dev"),
    GROW_FSTAB: join(dir, "fstab"),
    DATA: data,
  });

describe("grow-partition", () => {
  const sectors = { disk: 2 * 1024 * 1024, data: 131_072 };

  /** A card image with a table, a sysfs that shows it, and stand-ins for what needs a real device. */
  function card(label: "dos" | "gpt", starts: readonly number[], written: number): string {
    const image = join(dir, "dev/mmcblk0");
    put("dev/mmcblk0", "");
    truncateSync(image, written * 512);
    const lines = starts.map((start) => `start=${start},size=${sectors.data}`).join("\n");
    execFileSync("/usr/sbin/sfdisk", ["--quiet", image], { input: `label: ${label}\n${lines}\n` });
    truncateSync(image, sectors.disk * 512);
    put("sys/devices/mmcblk0/size", `${sectors.disk}\n`);
    for (const [index, start] of starts.entries()) {
      const name = `mmcblk0p${index + 1}`;
      put(`sys/devices/mmcblk0/${name}/partition`, `${index + 1}\n`);
      put(`sys/devices/mmcblk0/${name}/start`, `${start}\n`);
      put(`sys/devices/mmcblk0/${name}/size`, `${sectors.data}\n`);
      mkdirSync(join(dir, "sys/class/block"), { recursive: true });
      symlinkSync(`../../devices/mmcblk0/${name}`, join(dir, "sys/class/block", name));
    }
    put(
      "fstab",
      "# PARTUUID=no / ext4 x-systemd.growfs\nPARTUUID=a / ext4 noatime 0 1\nPARTUUID=b /opt ext4 noatime,x-systemd.growfs 0 2\n",
    );
    put("bin/findfs", '#!/bin/sh\n[ "$1" = PARTUUID=b ] && echo "/dev/$DATA"\n');
    put("bin/partx", `#!/bin/sh\necho "$@" >>${dir}/partx.log\n`);
    for (const name of ["findfs", "partx"]) chmodSync(join(dir, "bin", name), 0o755);
    return image;
  }
  test.each(["dos", "gpt"] as const)("the last partition takes the rest of the card: %s", (label) => {
    const image = card(label, [2048, 264_192], 400_000);
    grow("mmcblk0p2");
    const [first, last] = table(image);
    expect(first).toMatchObject({ start: 2048, size: sectors.data });
    expect(last?.start).toBe(264_192);
    const free = sectors.disk - ((last?.start ?? 0) + (last?.size ?? 0));
    expect(free).toBeGreaterThanOrEqual(0);
    expect(free).toBeLessThan(2048 + 34);
    expect(readFileSync(join(dir, "partx.log"), "utf8")).toBe(`--update --nr 2 ${image}\n`);
    expect(() => execFileSync("/usr/sbin/sfdisk", ["--verify", image], { stdio: "pipe" })).not.toThrow();
  });

  test("no room: nothing is written", () => {
    const image = card("dos", [2048, sectors.disk - sectors.data - 100], sectors.disk);
    const before = readFileSync(image).subarray(0, 512);
    grow("mmcblk0p2");
    expect(readFileSync(image).subarray(0, 512)).toEqual(before);
    expect(existsSync(join(dir, "partx.log"))).toBe(false);
  });

  test("a partition that others follow stays as it is", () => {
    const image = card("dos", [2048, 264_192], 400_000);
    grow("mmcblk0p1");
    expect(table(image)[0]?.size).toBe(sectors.data);
  });

  test("no partition grows in fstab", () => {
    card("dos", [2048], 400_000);
    put("fstab", "PARTUUID=a / ext4 noatime 0 1\n");
    grow("mmcblk0p1");
    expect(existsSync(join(dir, "partx.log"))).toBe(false);
  });
});

test("make-host-key makes a private key that only root reads, also after a power cut in between", () => {
  const key = join(dir, "ssh_host_ed25519_key");
  put("ssh_host_ed25519_key.new", "half a key");
  put("bin/uname", "#!/bin/sh\necho joint\n");
  run(scripts.hostKey, [key], {});
  expect(get("ssh_host_ed25519_key")).toContain("OPENSSH PRIVATE KEY");
  expect(get("ssh_host_ed25519_key.pub")).toMatch(/^ssh-ed25519 /);
  expect((statSync(key).mode & 0o777).toString(8)).toBe("600");
  expect(existsSync(`${key}.new`)).toBe(false);
});

test("the file that names radios comes before Debian's for network cards on USB: the first one that matches counts", () => {
  const folder = join(rtkitRoot, "overlays/base/rootfs/usr/lib/systemd/network");
  const radios = readdirSync(folder).filter(
    (name) => name.endsWith(".link") && readFileSync(join(folder, name), "utf8").includes("Type=wlan"),
  );
  expect(radios).toEqual(["70-wifi.link"]);
  expect([...radios, "73-usb-net-by-mac.link"].toSorted()[0]).toBe(radios[0]);
});
