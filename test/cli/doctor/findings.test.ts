import { afterEach, describe, expect, it, vi } from "vitest";
import { hostFindings, PROGRAMS, type Finding, type HostFacts } from "../../../src/cli/doctor/findings.ts";
import { runCli } from "../../../src/cli/program.ts";
import { RtkitError } from "../../../src/core/errors.ts";

const everything: HostFacts = {
  build: [],
  programs: new Map([...PROGRAMS.map(({ name }) => name), "sudo"].map((name) => [name, `/usr/bin/${name}`])),
  isRoot: false,
  user: "ada",
  kvm: "usable",
};

function without(...names: string[]): HostFacts {
  return { ...everything, programs: new Map([...everything.programs].filter(([name]) => !names.includes(name))) };
}

const lacking = (facts: HostFacts): Finding[] => hostFindings(facts).filter(({ severity }) => severity !== "ok");

describe("rtkit doctor of this computer", () => {
  it("has nothing to say where everything is there", () => {
    expect(lacking(everything)).toEqual([]);
  });

  it("names what builds lack, with the command that mends it", () => {
    const problem = new RtkitError("RTK_HOST_SUBIDS", "ada has no ids", { hint: "run: sudo usermod ada" });
    expect(lacking({ ...everything, build: [problem] })).toEqual([
      {
        id: "RTK_HOST_SUBIDS",
        area: "build",
        severity: "high",
        evidence: "ada has no ids",
        remedy: "sudo usermod ada",
      },
    ]);
  });

  it("tells a command that cannot work from an image that cannot be read", () => {
    expect(lacking(without("ssh", "xz")).map(({ id, severity, remedy }) => [id, severity, remedy])).toEqual([
      ["program-xz", "info", "sudo apt-get install xz-utils"],
      ["program-ssh", "medium", "sudo apt-get install openssh-client"],
    ]);
  });

  it("wants sudo only of those who are not root", () => {
    expect(lacking(without("sudo"))).toMatchObject([{ id: "program-sudo", severity: "medium" }]);
    expect(lacking({ ...without("sudo"), isRoot: true })).toEqual([]);
  });

  it("says why machines are slow", () => {
    expect(lacking({ ...everything, kvm: "not there" })).toMatchObject([{ id: "kvm", severity: "info", remedy: null }]);
    expect(lacking({ ...everything, kvm: "not allowed" })).toMatchObject([
      { severity: "info", remedy: "sudo usermod --append --groups kvm ada" },
    ]);
  });
});

describe("the command", () => {
  afterEach(() => vi.restoreAllMocks());

  it("looks at the computer it runs on: where the tests run, all is there that they need", async () => {
    let printed = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
    const status = await runCli(["doctor", "--json"]);
    const { findings } = JSON.parse(printed.trim().split("\n").at(-1) ?? "") as { findings: Finding[] };
    for (const id of ["build-host", "program-python3", "program-qemu-system-x86_64", "program-lsblk", "program-ssh"]) {
      expect(findings.find((one) => one.id === id)?.severity, id).toBe("ok");
    }
    expect(status).toBe(findings.some(({ severity }) => ["high", "medium"].includes(severity)) ? 1 : 0);
  });
});
