import { access, constants } from "node:fs/promises";
import { userInfo } from "node:os";
import { listBoards } from "../../config/boards.ts";
import { errnoCode, type RtkitError } from "../../core/errors.ts";
import { findProgram } from "../../core/programs.ts";
import type { Context } from "../../pipeline/step.ts";
import { examineHost } from "../../rootfs/host-check.ts";
import { table } from "../../ui/table.ts";
import type { CommandResult } from "../session.ts";
import { hostFindings, PROGRAMS, type Finding, type HostFacts } from "./findings.ts";

/** The work of `rtkit doctor`: looks at this computer and says what it lacks. */
export async function examine({ cacheDir, signal }: Context): Promise<CommandResult> {
  const names = [...PROGRAMS.map(({ name }) => name), "sudo"];
  const findings = hostFindings({
    build: await buildProblems(cacheDir, signal),
    programs: new Map(names.map((name) => [name, findProgram(name)])),
    isRoot: process.getuid?.() === 0,
    user: userInfo().username,
    kvm: await kvmState("/dev/kvm"),
  });
  return {
    result: { findings },
    text: render(findings),
    status: findings.some(({ severity }) => severity === "high" || severity === "medium") ? 1 : 0,
  };
}

/** For each architecture that boards have, said once. */
async function buildProblems(cacheDir: string, signal: AbortSignal): Promise<readonly RtkitError[]> {
  const architectures = new Set((await listBoards()).map(({ architecture }) => architecture));
  const problems = new Map<string, RtkitError>();
  for (const architecture of architectures) {
    for (const problem of await examineHost(architecture, cacheDir, signal)) problems.set(problem.message, problem);
  }
  return [...problems.values()];
}

async function kvmState(device: string): Promise<HostFacts["kvm"]> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return "usable";
  } catch (error) {
    return errnoCode(error) === "EACCES" ? "not allowed" : "not there";
  }
}

function render(findings: readonly Finding[]): string {
  const rows = table(findings.map(({ area, severity, id, evidence }) => [area, severity, id, evidence]));
  const lines = findings.flatMap(({ remedy }, index) => [
    rows[index] ?? "",
    ...(remedy === null ? [] : [`  → ${remedy}`]),
  ]);
  const lacking = findings.filter(({ severity }) => severity !== "ok").length;
  return [...lines, "", lacking === 0 ? "all well" : `${lacking} of ${findings.length} lack something`].join("\n");
}
