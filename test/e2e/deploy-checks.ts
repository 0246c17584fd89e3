import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";
import type { BoardStatus, RunningBoard } from "./board.ts";
import { rtkit, type CliRun } from "./cli.ts";

/** One board of `rtkit deploy`'s result. */
interface Deployed {
  readonly ok: boolean;
  readonly release: string;
  readonly previous: string | null;
  readonly sentBytes: number;
  readonly rolledBack: boolean | null;
  readonly reason: string | null;
}

/** Generous: a node takes long to start where everything is emulated. */
const PATIENCE = ["--timeout", "240"];

/** What `rtkit deploy` does to a board that runs the arm example. */
export function checkDeploy(board: () => RunningBoard, boardName: string): void {
  const status = async (): Promise<BoardStatus & { readonly pending: string | null }> =>
    JSON.parse(await board().ask("sudo -n /usr/lib/rtnode/rtnodectl status --json"));
  const timeOf = async (node: string, property: string): Promise<number> =>
    Number(await board().ask(`systemctl show --value --property=${property} rtnode@${node}`));
  const pidOf = async (node: string): Promise<number | undefined> =>
    (await status()).nodes.find(({ name }) => name === node)?.pid;

  let project: string;
  let controller: string;
  let first: string;

  beforeAll(async () => {
    project = join(scratchDir("rtkit-deploy-"), "robot");
    await cp(join(rtkitRoot, "examples", "arm"), project, {
      recursive: true,
      filter: (path) => !path.endsWith("/out"),
    });
    const file = join(project, "rtkit.yaml");
    await writeFile(file, (await readFile(file, "utf8")).replace(/^board: .*$/m, `board: ${boardName}`));
    controller = join(project, "nodes", "controller.py");
    first = (await status()).release;
  });

  async function deploy(): Promise<{ run: CliRun; result: Deployed | undefined }> {
    const where = ["--ssh-config", board().sshConfig, "--host", "board"];
    const run = await rtkit(["deploy", "--project", project, ...where, ...PATIENCE]);
    const line = run.lines.find(({ type }) => type === "result") as unknown as { targets: Deployed[] } | undefined;
    return { run, result: line?.targets[0] };
  }

  const change = async (from: string, to: string): Promise<void> =>
    writeFile(controller, (await readFile(controller, "utf8")).replace(from, to));

  it("sends what changed, restarts that node and no other, and keeps what is well", async () => {
    const before = [await pidOf("controller"), await pidOf("planner")];
    await change("return 0", 'print("deployed")\n        return 0');
    const { run, result } = await deploy();
    expect(run.status, JSON.stringify(run)).toBe(0);
    expect(result).toMatchObject({ ok: true, previous: first, rolledBack: false });
    // A bundle, its launch options, manifest and list; not the planner's.
    expect(result?.sentBytes).toBeLessThan(100_000);
    const now = await status();
    expect([now.release, now.pending]).toEqual([result?.release, null]);
    const after = [await pidOf("controller"), await pidOf("planner")];
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(await board().ask("journalctl -t controller -o cat")).toContain("deployed");
  });

  it("starts a node after the one that it comes after", async () => {
    const file = join(project, "rtkit.yaml");
    // The planner is a JavaScript program, which takes longer to be ready.
    const text = (await readFile(file, "utf8"))
      .replace("entry: nodes/controller.py\n", "entry: nodes/controller.py\n    after: [planner]\n")
      .replace("entry: nodes/planner.ts\n", 'entry: nodes/planner.ts\n    env: { VERSION: "2" }\n');
    await writeFile(file, text);
    const { run } = await deploy();
    expect(run.status, JSON.stringify(run)).toBe(0);
    const ready = await timeOf("planner", "ActiveEnterTimestampMonotonic");
    expect(await timeOf("controller", "ExecMainStartTimestampMonotonic")).toBeGreaterThanOrEqual(ready);
  });

  it("says what the board is and how long it has been up, and nothing of its power, which it cannot tell", async () => {
    const facts = await status();
    expect(facts).toMatchObject({ architecture: "x86_64", throttling: { underVoltage: null, frequencyCapped: false } });
    expect(facts).toHaveProperty("uptimeSeconds", expect.any(Number));
  });

  it("counts the time to confirm on a clock that nobody sets", async () => {
    const { release } = await status();
    await board().ask(`sudo -n /usr/lib/rtnode/rtnodectl activate ${first} --confirm-within 30`);
    expect(await board().ask("systemctl show --value --property=TimersCalendar rtnode-revert.timer")).toBe("");
    expect(await board().ask("systemctl show --value --property=TimersMonotonic rtnode-revert.timer")).toContain(
      "OnActiveUSec=30s",
    );
    await board().ask(`sudo -n /usr/lib/rtnode/rtnodectl revert ${first}`);
    expect((await status()).release).toBe(release);
  });

  it("does nothing when nothing changed", async () => {
    const before = await status();
    const { run, result } = await deploy();
    expect(run.status).toBe(0);
    expect(result).toMatchObject({ ok: true, release: before.release, sentBytes: 0 });
    expect(await pidOf("controller")).toBe(before.nodes.find(({ name }) => name === "controller")?.pid);
  });

  it("goes back from a node that does not get well, and says why", async () => {
    const before = (await status()).release;
    await change('print("deployed")', 'raise RuntimeError("no such device")');
    const { run, result } = await deploy();
    expect(run.status).toBe(1);
    expect(result, JSON.stringify(run)).toMatchObject({ ok: false, rolledBack: true });
    expect(result?.reason).toContain("controller");
    expect(run.stderr + JSON.stringify(run.lines)).toContain("no such device");
    expect(await status()).toMatchObject({ release: before, pending: null });
    await board().ask("timeout 240 sh -c 'until systemctl is-active rtnode@controller; do sleep 2; done'");
  });

  it("goes back by itself from a node that fails after ten seconds, long after the deploy ended well", async () => {
    const before = (await status()).release;
    await change('raise RuntimeError("no such device")', 'print("well so far")');
    await change("effort =", 'if self.cycles > 10_000:\n            raise RuntimeError("worn out")\n        effort =');
    const { run, result } = await deploy();
    expect(run.status, JSON.stringify(run)).toBe(0);
    const read = "readlink /opt/rtnode/current";
    await board().ask(`timeout 240 sh -c 'until ${read} | grep -q ${before}; do sleep 1; done'`);
    expect(await status()).toMatchObject({
      wentBack: { release: result?.release, reason: expect.stringContaining("controller") },
    });
    await board().ask("timeout 240 sh -c 'until systemctl is-active rtnode@controller; do sleep 2; done'");
  });

  it("goes back by itself when nobody confirms", async () => {
    const { release } = await status();
    // Long enough to be looked at on a busy machine that emulates the board.
    await board().ask(`sudo -n /usr/lib/rtnode/rtnodectl activate ${first} --confirm-within 30`);
    expect(await status()).toMatchObject({ release: first, pending: first });
    const read = "readlink /opt/rtnode/current";
    await board().ask(`timeout 240 sh -c 'until ${read} | grep -q ${release}; do sleep 1; done'`);
    await board().ask("timeout 60 sh -c 'while test -e /opt/rtnode/pending; do sleep 1; done'");
    expect(await board().ask("journalctl -u rtnode-revert -o cat")).toContain(`${first} was not confirmed; going back`);
  });
}
