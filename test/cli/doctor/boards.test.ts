import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import { all, file, OURS, stock, task, type Change } from "../../audit/recorded.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "../../deploy/sshd.ts";

const STOCK = stock(OURS);

/** What a finding and what was mended look like to programs. */
interface Result {
  readonly findings: readonly { id: string; severity: string; evidence: string; remedy: string | null }[];
  readonly mended?: readonly { id: string; setting: string; ok: boolean; was: string; is: string }[];
  readonly complaints?: readonly string[];
  readonly system: { readonly virtual: boolean; readonly seenAsRoot: boolean };
}

let operator: Operator;
let board: FakeBoard;
let printed: string;
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});
afterEach(() => vi.restoreAllMocks());

const SWAP: Change = (text) =>
  text.replace(
    " /proc/swaps:Filename",
    () => " /proc/swaps:Filename Type\n /proc/swaps:/swapfile file 65532 0 -2\n /x:",
  );
const KSM = file("/sys/kernel/mm/ksm/run", "1");
const HOG = task({ pid: 4242, name: "hog", policy: 1, priority: 90, cpus: "0-3" });

/** From now on the board says this; after `mend` that. */
function says(now: string, later = now, complaint = ""): void {
  writeFileSync(join(board.root, "now"), now);
  writeFileSync(join(board.root, "later"), later);
  board.before(`
case $SSH_ORIGINAL_COMMAND in
*' audit') exec cat '${board.root}/now' ;;
*' mend '*)
    echo "$SSH_ORIGINAL_COMMAND" >'${board.root}/mended'
    cp '${board.root}/later' '${board.root}/now'
    ${complaint === "" ? "exit 0" : `echo 'rtnodectl: ${complaint}' >&2; exit 1`}
    ;;
esac`);
}

/** A system without rtnodectl, whose user may run a script. */
function isStock(text: string): void {
  writeFileSync(join(board.root, "now"), text);
  board.before(`
case $SSH_ORIGINAL_COMMAND in
'sh -s') cat >'${board.root}/script'; exec cat '${board.root}/now' ;;
*) echo 'sudo: a password is required' >&2; exit 1 ;;
esac`);
}

async function doctor(...words: string[]): Promise<{ status: number; text: string; result: Result }> {
  const { user, host, port } = board.address;
  const where = ["--host", `${user}@${host}:${port}`, "--ssh-config", operator.settings.config ?? "", "--accept-new"];
  printed = "";
  const status = await runCli(["doctor", ...where, ...words]);
  const text = printed;
  const last = words.includes("--json") ? (text.trim().split("\n").at(-1) ?? "{}") : "{}";
  return { status, text, result: JSON.parse(last) as Result };
}

const mended = (): string | undefined =>
  existsSync(join(board.root, "mended")) ? readFileSync(join(board.root, "mended"), "utf8").trim() : undefined;

describe("rtkit doctor of a board", () => {
  it("of rtkit's, which is well: says so, that it is a virtual machine, and ends with 0", async () => {
    says(OURS);
    const { status, result } = await doctor("--json");
    expect(status).toBe(0);
    expect(result.system).toMatchObject({ virtual: true, seenAsRoot: true });
    expect(result.findings.filter(({ severity }) => severity === "high" || severity === "medium")).toEqual([]);
    const { text } = await doctor();
    expect(text).toContain("real-time: yes, the kernel is PREEMPT_RT, and nothing stands in a node's way");
    expect(text).toContain("it is a virtual machine (qemu): its figures are not those of a board");
    expect(mended()).toBe(undefined);
  });

  it("with a foreign FIFO task: names it, why it matters and what mends it, and ends with 1", async () => {
    says(HOG(OURS));
    const { status, text } = await doctor();
    expect(status).toBe(1);
    expect(text).toMatch(
      /^high +foreign-tasks: hog \(process 4242, session-1.scope, fifo 90\)\n +a program with .*\n +→ .*chrt --other --pid 0 4242$/m,
    );
    expect(text).toContain("but: 1 high");
  });

  it("that is a stock Debian, as a user without rights: by a script, without root, and it says what it could not see", async () => {
    isStock(STOCK);
    const { status, result, text } = await doctor("--json");
    expect(text).not.toContain("RTK_");
    expect(status).toBe(1);
    expect(result.system.seenAsRoot).toBe(false);
    expect(result.findings.find(({ id }) => id === "kernel-realtime")).toMatchObject({ severity: "high" });
    expect(readFileSync(join(board.root, "script"), "utf8")).toContain("rtnode-audit 1");
    expect((await doctor()).text).toContain("real-time: no, the kernel is not PREEMPT_RT");
  });

  it("that answers with something else: RTK_DOCTOR_ANSWER", async () => {
    isStock("Welcome!\n");
    const { status, text } = await doctor("--json");
    expect(status).toBe(1);
    expect(text).toContain('"code":"RTK_DOCTOR_ANSWER"');
  });
});

describe("--fix", () => {
  it("has the board mend what is safe, each setting once, looks again, and tells what became of it", async () => {
    says(all(KSM, HOG, file("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"))(OURS), HOG(OURS));
    const { status, result } = await doctor("--fix", "--json");
    expect(mended()).toBe("sudo -n /usr/lib/rtnode/rtnodectl mend memory");
    expect(result.mended).toMatchObject([
      { id: "huge-pages", setting: "memory", ok: true },
      { id: "ksm", setting: "memory", ok: true, was: "/sys/kernel/mm/ksm/run: 1", is: "/sys/kernel/mm/ksm/run: 0" },
    ]);
    // The task is somebody's.
    expect(status).toBe(1);
    expect(result.findings.find(({ id }) => id === "foreign-tasks")?.severity).toBe("high");
  });

  it("says what the board could not mend, and why", async () => {
    says(SWAP(OURS), SWAP(OURS), "swap stays: 9 KiB are in it");
    const { text, status } = await doctor("--fix");
    expect(text).toContain("not mended  swap: /proc/swaps: /swapfile");
    expect(text).toContain("the board says: swap stays: 9 KiB are in it");
    expect(status).toBe(0);
  });

  it("with --dry-run only says what it would", async () => {
    says(KSM(OURS));
    const { text, status } = await doctor("--fix", "--dry-run");
    expect(text).toContain("would mend ksm (memory)");
    expect([status, mended()]).toEqual([0, undefined]);
  });

  it("changes nothing where nothing is wrong, and nothing of a system that is not rtkit's", async () => {
    says(OURS);
    expect((await doctor("--fix")).text).toContain("there was nothing that --fix mends");
    isStock(KSM(STOCK));
    expect((await doctor("--fix")).text).toContain("there was nothing that --fix mends");
    expect(mended()).toBe(undefined);
  });

  it("is not for this computer", async () => {
    expect(await runCli(["doctor", "--fix", "--json"])).toBe(2);
    expect(printed).toContain('"code":"RTK_DEPLOY_TARGET"');
  });
});
