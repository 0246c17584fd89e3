import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import type { Address } from "../../src/deploy/address.ts";
import { imageRefusal, whatIsMissing, whatToKnow, type SystemNeeds } from "../../src/deploy/system-check.ts";
import { parseFacts, type SystemFacts } from "../../src/deploy/system-facts.ts";

const address: Address = { host: "pi.local", port: null, user: "pi" };

const PROBED = [
  "Welcome to pi!",
  "user pi",
  "uid 1000",
  "architecture arm64",
  "system Debian GNU/Linux 12 (bookworm)",
  "systemd 252",
  "glibc 2.36",
  "sudo yes",
  "realtime no",
  "free/usr 2000000",
  "free/etc 2000000",
  "free/opt 2000000",
  "python Python 3.11.2",
];

function probed(...changes: readonly (readonly [string, string | null])[]): SystemFacts {
  const lines = changes.reduce<string[]>(
    (before, [word, value]) => [
      ...before.filter((line) => !line.startsWith(`${word} `)),
      ...(value === null ? [] : [`${word} ${value}`]),
    ],
    PROBED,
  );
  const facts = parseFacts(`${lines.join("\n")}\n`);
  if (facts === undefined) throw new Error("not understood");
  return facts;
}

const needs: SystemNeeds = { architecture: "arm64", glibc: "2.34", bytes: 1_000_000, python: true, node: false };

describe("what a system says of itself", () => {
  it("is read past what its start-up files print", () => {
    expect(probed()).toEqual({
      user: "pi",
      isRoot: false,
      architecture: "arm64",
      system: "Debian GNU/Linux 12 (bookworm)",
      systemd: 252,
      glibc: "2.36",
      sudo: "yes",
      lacks: [],
      realtime: false,
      readOnly: [],
      free: { "/usr": 2_000_000, "/opt": 2_000_000 },
      python: "Python 3.11.2",
      node: null,
      installed: "no",
      logins: [],
    });
  });

  it("takes only users' names that may stand in sudo's files", () => {
    expect(parseFacts("user pi ALL=(ALL) ALL\narchitecture arm64\n")).toBeUndefined();
    const facts = parseFacts("user pi\narchitecture x86_64\ninstalled list\nlogin anna\nlogin %sudo\nlogin a b\n");
    expect(facts).toMatchObject({ logins: ["anna"], installed: "list", architecture: "amd64" });
  });

  it("is nothing where no script runs", () => {
    expect(parseFacts("This account is currently not available.\n")).toBeUndefined();
  });

  it("is what the probe prints, here too", () => {
    const text = execFileSync("sh", [join(rtkitRoot, "src/device/probe.sh")], { encoding: "utf8" });
    expect(parseFacts(text)).toMatchObject({ glibc: expect.stringMatching(/^2\.\d+$/), installed: "no" });
  });
});

describe("whether a system can become a target", () => {
  it("it can", () => {
    expect(whatIsMissing(address, probed(), needs)).toBeUndefined();
    // Ubuntu 22.04.
    expect(whatIsMissing(address, probed(["systemd", "249"], ["glibc", "2.35"]), needs)).toBeUndefined();
  });

  it.each([
    ["RTK_BOOTSTRAP_SYSTEMD", [["systemd", null]], "is not run by systemd, and nodes need systemd 240 or newer"],
    ["RTK_BOOTSTRAP_SYSTEMD", [["systemd", "232"]], "has systemd 232"],
    ["RTK_BOOTSTRAP_ARCHITECTURE", [["architecture", "armhf"]], "pi.local are armhf, and the project's board is arm64"],
    ["RTK_BOOTSTRAP_ARCHITECTURE", [["architecture", "amd64"]], "amd64"],
    ["RTK_BOOTSTRAP_GLIBC", [["glibc", "2.31"]], "has glibc 2.31, and librtnode.so needs glibc 2.34"],
    ["RTK_BOOTSTRAP_GLIBC", [["glibc", null]], "another C library"],
    ["RTK_BOOTSTRAP_SUDO", [["sudo", "missing"]], "has no sudo"],
    ["RTK_BOOTSTRAP_PROGRAM", [["lacks", "visudo"]], "has no visudo"],
    ["RTK_BOOTSTRAP_READ_ONLY", [["read-only", "/usr"]], "/usr of pi.local cannot be written to"],
    ["RTK_BOOTSTRAP_DISK", [["free/opt", "100"]], "has 100 KiB free at /opt, and needs 17 MiB"],
    ["RTK_BOOTSTRAP_RUNTIME", [["python", null]], "has no /usr/bin/python3"],
    ["RTK_BOOTSTRAP_IMAGE", [["installed", "image"]], "runs an image of rtkit"],
  ] as const)("%s: %j", (code, changes, message) => {
    const error = whatIsMissing(address, probed(...changes), needs);
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/./) });
    expect(error?.message).toContain(message);
  });

  it("needs no Python where no node does, and Node.js where one does", () => {
    expect(whatIsMissing(address, probed(["python", null]), { ...needs, python: false })).toBeUndefined();
    expect(whatIsMissing(address, probed(), { ...needs, node: true })?.hint).toBe("on it: sudo apt-get install nodejs");
  });

  it("a kernel that is not real-time is told, with the way to one", () => {
    expect(whatToKnow(address, probed())?.hint).toContain("linux-image-rt-arm64");
    expect(whatToKnow(address, probed(["system", "Ubuntu 24.04.1 LTS"]))?.hint).toContain("pro enable");
    expect(whatToKnow(address, probed(["realtime", "yes"]))).toBeUndefined();
  });

  it("an image of rtkit has nothing to remove", () => {
    expect(imageRefusal(address, probed(["installed", "image"]), "--remove")?.hint).toContain("write another system");
    expect(imageRefusal(address, probed(["installed", "list"]), "--remove")).toBeUndefined();
  });
});
