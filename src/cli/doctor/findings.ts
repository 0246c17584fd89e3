import type { Finding as AnyFinding } from "../../audit/finding.ts";
import type { RtkitError } from "../../core/errors.ts";

const AREAS = ["build", "run", "flash", "deploy"] as const;

/** A part of rtkit that needs something of this computer. */
export type Area = (typeof AREAS)[number];

/**
 * One thing that was looked at. Its severity: `info`, something works worse; `medium`, a command cannot work; `high`, nothing
 * can be built.
 */
export type Finding = AnyFinding<Area>;

/** A program that an area calls. */
interface Program {
  readonly name: string;
  readonly area: Area;
  /** The Debian package that has it. */
  readonly debian: string;
  /** What does not work without it, where that is not all of the area. */
  readonly for?: string;
}

/** Programs of the areas but for builds, whose own check knows them (src/rootfs/host-check.ts). */
export const PROGRAMS: readonly Program[] = [
  { name: "python3", area: "build", debian: "python3" },
  { name: "qemu-system-aarch64", area: "run", debian: "qemu-system-arm", for: "boards with an ARM CPU" },
  { name: "qemu-system-x86_64", area: "run", debian: "qemu-system-x86", for: "boards that are PCs" },
  { name: "lsblk", area: "flash", debian: "util-linux" },
  { name: "python3", area: "flash", debian: "python3" },
  { name: "xz", area: "flash", debian: "xz-utils", for: "images that end in .xz" },
  { name: "zstd", area: "flash", debian: "zstd", for: "images that end in .zst" },
  { name: "bzip2", area: "flash", debian: "bzip2", for: "images that end in .bz2" },
  { name: "ssh", area: "deploy", debian: "openssh-client" },
  { name: "ssh-keygen", area: "deploy", debian: "openssh-client" },
];

/** What {@link hostFindings} judges. */
export interface HostFacts {
  /** What builds lack, for each architecture of a board. */
  readonly build: readonly RtkitError[];
  /** Where a program is; undefined of one that is not installed. */
  readonly programs: ReadonlyMap<string, string | undefined>;
  readonly isRoot: boolean;
  readonly user: string;
  readonly kvm: "usable" | "not allowed" | "not there";
}

/** What there is to say of a host, area by area. Pure. */
export function hostFindings(facts: HostFacts): readonly Finding[] {
  const build = facts.build.map(({ code, message, hint }): Finding => ({
    id: code,
    area: "build",
    severity: "high",
    evidence: message,
    remedy: hint?.replace(/^run: /, "") ?? null,
  }));
  const ready: Finding = {
    id: "build-host",
    area: "build",
    severity: "ok",
    evidence: "programs, user namespaces, subordinate ids, keys and room are there",
    remedy: null,
  };
  const programs = PROGRAMS.map((program) => programFinding(program, facts.programs.get(program.name)));
  const all = [...(build.length === 0 ? [ready] : build), ...programs, kvmFinding(facts), rootFinding(facts)];
  return AREAS.flatMap((area) => all.filter((finding) => finding.area === area));
}

function programFinding({ name, area, debian, for: only }: Program, path: string | undefined): Finding {
  const id = `program-${name}`;
  if (path !== undefined) return { id, area, severity: "ok", evidence: path, remedy: null };
  const severity = only !== undefined ? "info" : area === "build" ? "high" : "medium";
  const evidence = `${name} is not installed${only === undefined ? "" : ` (needed for ${only})`}`;
  return { id, area, severity, evidence, remedy: `sudo apt-get install ${debian}` };
}

function kvmFinding({ kvm, user }: HostFacts): Finding {
  const finding = { id: "kvm", area: "run" } as const;
  if (kvm === "usable") return { ...finding, severity: "ok", evidence: "/dev/kvm can be opened", remedy: null };
  const slow = "machines are translated, which is several times slower";
  if (kvm === "not there")
    return { ...finding, severity: "info", evidence: `/dev/kvm is not there: ${slow}`, remedy: null };
  const remedy = `sudo usermod --append --groups kvm ${user}`;
  return { ...finding, severity: "info", evidence: `/dev/kvm is not for ${user}: ${slow}`, remedy };
}

/** Cards are written by a process that root starts. */
function rootFinding({ isRoot, programs }: HostFacts): Finding {
  const finding = { id: "program-sudo", area: "flash" } as const;
  const sudo = programs.get("sudo");
  if (isRoot) return { ...finding, severity: "ok", evidence: "not needed: you are root", remedy: null };
  if (sudo !== undefined) return { ...finding, severity: "ok", evidence: sudo, remedy: null };
  const remedy = "su -c 'apt-get install sudo'";
  return {
    ...finding,
    severity: "medium",
    evidence: "sudo is not installed, and only root may write to disks",
    remedy,
  };
}
