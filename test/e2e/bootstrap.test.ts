import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BoardFinding } from "../../src/audit/finding.ts";
import type { Mended } from "../../src/cli/doctor/audited.ts";
import { scratchDir } from "../scratch.ts";
import type { BoardStatus } from "./board.ts";
import { rtkit, type CliRun } from "./cli.ts";
import { bootStock, type StockBoard } from "./stock-board.ts";

/** One board of `rtkit deploy`'s result. */
interface Outcome {
  readonly ok: boolean;
  readonly changed?: boolean;
  readonly previous?: string | null;
  readonly changes?: readonly string[];
  readonly code: string | null;
  readonly reason: string | null;
}

/** What `rtkit doctor` says of one board. */
interface Audit {
  readonly findings: readonly BoardFinding[];
  readonly system: object;
  readonly mended?: readonly Mended[];
}

function severityOf({ findings }: Audit, id: string): string | undefined {
  return findings.find((finding) => finding.id === id)?.severity;
}

const NODE = `
from rtnode import PeriodicNode

class Beat(PeriodicNode):
    def __init__(self):
        super().__init__(period=0.1)

    def init(self):
        return 0

    def step(self):
        return 0

    def finalize(self):
        return 0

Beat().main()
`;

/**
 * Everything in the root file system but for what changes by itself while a system runs: logs, the clock's memory, random
 * seeds; and the copies that useradd and its like keep of the files they change (passwd(5)). Outside /etc a file that was
 * written has another time; a folder may have one.
 */
const LIST = [
  "sudo sh -c '",
  "find / -xdev \\( -path /var/log -o -path /var/lib/systemd -o -path /var/tmp -o -path /tmp -o -path /var/lib/sudo",
  '-o -path "/etc/passwd-" -o -path "/etc/group-" -o -path "/etc/shadow-" -o -path "/etc/gshadow-" \\) -prune -o',
  '-type f ! -path "/etc/*" -printf "%m %u %g %s %T@ %p\\n" -o -printf "%m %u %g %y %l %p\\n" | sort;',
  'find /etc -type f ! -name "*-" -exec sha256sum {} + | sort\'',
].join(" ");

/** How the step that bootstraps ended. */
function stepOf({ lines }: CliRun): unknown {
  return lines.findLast(({ type, name }) => type === "step" && String(name).startsWith("bootstrap-"))?.["status"];
}

/** RTKIT_STOCK="bookworm trixie" tries both. */
const SUITES = (process.env["RTKIT_STOCK"] ?? "bookworm").split(" ");

describe.each(SUITES)("a stock Debian %s", (suite) => {
  let board: StockBoard;
  let project: string;
  let before: string;
  beforeAll(async () => {
    board = await bootStock(suite);
    before = await board.ask(LIST);
    project = join(scratchDir("rtkit-bootstrap-"), "robot");
    await mkdir(project);
    const node = "{ entry: beat.py, schedule: { policy: fifo, priority: 40, cpus: [1] } }";
    await writeFile(join(project, "rtkit.yaml"), `name: robot\nboard: ${board.boardName}\nnodes:\n  beat: ${node}\n`);
    await writeFile(join(project, "beat.py"), NODE);
  });
  afterAll(async () => board.stop());

  async function deploy(words: readonly string[], user = "pi"): Promise<{ run: CliRun; board: Outcome }> {
    const where = ["--ssh-config", board.sshConfig, "--host", `${user}@board`];
    const run = await rtkit(["deploy", "--project", project, ...where, ...words]);
    const line = run.lines.find(({ type }) => type === "result") as unknown as { targets: Outcome[] } | undefined;
    if (line?.targets[0] === undefined) throw new Error(JSON.stringify(run));
    return { run, board: line.targets[0] };
  }
  const bootstrap = (): ReturnType<typeof deploy> => deploy(["--bootstrap", "--timeout", "120"]);
  const status = async (): Promise<BoardStatus> =>
    JSON.parse(await board.ask("sudo -n /usr/lib/rtnode/rtnodectl status --json"));

  async function doctor(...words: readonly string[]): Promise<{ run: CliRun; audit: Audit }> {
    const run = await rtkit(["doctor", "--ssh-config", board.sshConfig, "--host", "pi@board", ...words]);
    const audit = run.lines.at(-1) as unknown as Audit;
    if (run.lines.at(-1)?.type !== "result") throw new Error(JSON.stringify(run));
    return { run, audit };
  }

  it("is looked at by rtkit doctor without root, is not real-time, and is left as it is", async () => {
    const { run, audit } = await doctor();
    expect(audit.system).toMatchObject({ seenAsRoot: false, virtual: true });
    expect(severityOf(audit, "kernel-realtime")).toBe("high");
    expect(severityOf(audit, "rt-group-sched")).toBe("ok");
    expect(severityOf(audit, "service-limits")).toBe("info");
    expect(run.status).toBe(1);
    expect(await board.ask(LIST)).toBe(before);
  });

  it("is left as it is where sudo wants a password and nobody is there to give it", async () => {
    const { board: refused } = await deploy(["--bootstrap"], "anna");
    expect(refused).toMatchObject({ ok: false, code: "RTK_BOOTSTRAP_SUDO" });
    expect(await board.ask(LIST)).toBe(before);
  });

  it("is left as it is where one of its own files would be overwritten", async () => {
    await board.ask("echo mine | sudo tee /usr/lib/udev/rules.d/60-realtime.rules");
    const { board: refused } = await bootstrap();
    expect(refused).toMatchObject({ ok: false, code: "RTK_BOOTSTRAP_REFUSED" });
    expect(refused.reason).toContain("/usr/lib/udev/rules.d/60-realtime.rules is there already");
    await board.ask("sudo rm /usr/lib/udev/rules.d/60-realtime.rules");
    expect(await board.ask(LIST)).toBe(before);
  });

  it("becomes a target, and runs the node as an image does", async () => {
    const { run, board: deployed } = await bootstrap();
    expect(deployed, JSON.stringify(run)).toMatchObject({ ok: true, changed: true, previous: null });
    expect(run.lines.filter(({ type }) => type === "warning").map(({ message }) => message)).toContain(
      "the kernel of board is not real-time: nodes run, and late wake-ups are longer",
    );
    const { nodes } = await status();
    expect(nodes).toMatchObject([{ name: "beat", state: "active", policy: "fifo", priority: 40, cpus: "1" }]);
    expect(nodes[0]?.stats?.cycles).toBeGreaterThan(0);
    expect(await board.ask("stat -c '%a %U %G' /dev/cpu_dma_latency")).toBe("660 root realtime");
    expect(await board.ask("cat /proc/sys/vm/stat_interval")).toBe("10");
    expect(await board.ask("id -nG pi")).toContain("systemd-journal");
    expect(await board.ask("getent passwd robot || echo none")).toBe("none");
  });

  it("is not changed by a second time, and one that was interrupted is finished", async () => {
    const again = await bootstrap();
    expect(again.board).toMatchObject({ ok: true, changed: false });
    expect(stepOf(again.run)).toBe("cached");
    // As a power cut in the middle leaves it: listed, and not all there.
    await board.ask("sudo sed -i /^whole/d /usr/lib/rtnode/installed; sudo rm /usr/lib/rtnode/rtnodectl");
    const finished = await bootstrap();
    expect(finished.board).toMatchObject({ ok: true });
    expect(stepOf(finished.run)).toBe("done");
  });

  it.runIf(suite === "bookworm")("runs its nodes after a restart", async () => {
    await board.restart();
    await board.ask("timeout 120 sh -c 'until systemctl is-active -q rtnode@beat; do sleep 1; done'");
    expect(await board.ask("systemctl --failed --no-legend --plain")).toBe("");
  });

  it("rtkit doctor now sees it as root, and --fix puts huge pages and merging back", async () => {
    await board.ask("sudo sh -c 'cd /sys/kernel/mm; echo always >transparent_hugepage/enabled; echo 1 >ksm/run'");
    const { audit } = await doctor("--fix");
    expect(audit.system).toMatchObject({ seenAsRoot: true });
    expect(audit.mended?.filter(({ setting }) => setting === "memory")).toMatchObject([
      { id: "huge-pages", ok: true },
      { id: "ksm", ok: true },
    ]);
    expect(await board.ask("cd /sys/kernel/mm; cat transparent_hugepage/enabled ksm/run")).toBe(
      "always madvise [never]\n0",
    );
    expect(severityOf(audit, "service-limits")).toBe("ok");
    expect(severityOf(audit, "kernel-realtime")).toBe("high");
  });

  it("is as it was when all of it is removed, and removing it again changes nothing", async () => {
    const { board: removed } = await deploy(["--remove", "--yes"]);
    expect(removed).toMatchObject({ ok: true });
    expect(removed.changes).toContain("removed user rtnode");
    expect((await board.ask(LIST)).split("\n")).toEqual(before.split("\n"));
    expect(await board.ask("ls /run | grep -c rtnode || :")).toBe("0");
    expect(await board.ask("systemctl list-units --all --plain --no-legend 'rtnode*' 'rt-tune*'")).toBe("");
    expect((await deploy(["--remove", "--yes"])).board).toMatchObject({ ok: true, changes: [] });
  });
});
