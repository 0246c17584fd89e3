import { audit } from "../../audit/audit.ts";
import { parseAudit } from "../../audit/facts.ts";
import { isVirtual } from "../../audit/rule.ts";
import { askAudit, auditAnswer, mend } from "../../deploy/audit.ts";
import { formatAddress } from "../../deploy/address.ts";
import type { Connection } from "../../deploy/transport.ts";
import type { WantedOption } from "../../kernel/fragment.ts";
import { loadFragments } from "../../kernel/load.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context } from "../../pipeline/step.ts";
import { addressesFor, describeFailure, onBoards, type BoardOptions, type Outcome } from "../deploy/boards.ts";
import type { CommandResult } from "../session.ts";
import type { Audited, Mended } from "./audited.ts";
import { describeAudit } from "./describe-audit.ts";

/** Options of `rtkit doctor`, as commander reads them. */
export interface DoctorOptions extends BoardOptions {
  readonly fix?: true;
  readonly dryRun?: true;
}

/** What is wanted of any kernel that is to be real-time; what a board needs to boot, a running one has. */
const FRAGMENTS = ["preempt-rt"];

const STEP = { name: "audit", title: "Look at the boards" };

/** The work of `rtkit doctor TARGET`. */
export async function examineBoards(
  context: Context,
  targets: readonly string[],
  options: DoctorOptions,
): Promise<CommandResult> {
  const addresses = await addressesFor(context, targets, options);
  const { options: wanted } = await loadFragments(FRAGMENTS);
  context.emit({ type: "plan", steps: [STEP] });
  const boards = await showAsStep(context, STEP.name, async () =>
    onBoards(context, addresses, options, async (board) => {
      const found = await look(board, wanted);
      return options.fix === true && options.dryRun !== true ? mendWhatIsSafe(board, wanted, found) : found;
    }),
  );
  const [first] = boards;
  if (boards.length === 1 && first !== undefined && "error" in first) throw first.error;
  const alone = boards.length === 1 && first !== undefined && "value" in first ? resultOf(first.value) : {};
  const failed = boards.some(
    (board) => "error" in board || board.value.findings.some(({ severity }) => severity === "high"),
  );
  return {
    result: { ...alone, targets: boards.map(targetResult) },
    text: boards
      .map((board) =>
        "error" in board
          ? describeFailure(board.address, board.error)
          : describeAudit(board.address, board.value, options.fix === true),
      )
      .join("\n\n"),
    status: failed ? 1 : 0,
  };
}

async function look(board: Connection, wanted: readonly WantedOption[]): Promise<Audited> {
  const facts = parseAudit(await askAudit(board));
  if (facts === undefined) throw auditAnswer(board);
  return { facts, findings: audit(facts, wanted), mended: null, complaints: [] };
}

/** Each setting once, then another look. */
async function mendWhatIsSafe(board: Connection, wanted: readonly WantedOption[], before: Audited): Promise<Audited> {
  const broken = before.findings.flatMap((finding) =>
    finding.mends === null ? [] : [{ ...finding, setting: finding.mends }],
  );
  if (broken.length === 0) return { ...before, mended: [] };
  const complaints = await mend(board, [...new Set(broken.map(({ setting }) => setting))]);
  const after = await look(board, wanted);
  const mended = broken.map(({ id, setting, evidence }): Mended => {
    const now = after.findings.find((finding) => finding.id === id);
    return { id, setting, was: evidence, is: now?.evidence ?? "", ok: now === undefined || now.severity === "ok" };
  });
  return { ...after, mended, complaints };
}

function targetResult(board: Outcome<Audited>): object {
  const host = formatAddress(board.address);
  if ("value" in board) return { host, ok: true, ...resultOf(board.value), reason: null };
  const { code, message, hint } = board.error;
  return { host, ok: false, code, reason: message, hint };
}

function resultOf({ facts, findings, mended, complaints }: Audited): object {
  const { kernel, version, machine, os, model, isRoot } = facts;
  const system = { kernel, version, machine, os, model, virtual: isVirtual(facts), seenAsRoot: isRoot };
  return { findings, system, ...(mended === null ? {} : { mended, complaints }) };
}
