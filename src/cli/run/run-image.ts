import { resolve } from "node:path";
import { loadProject } from "../../config/load.ts";
import { usageError } from "../../core/errors.ts";
import { shellQuote } from "../../core/exec.ts";
import { formatMs } from "../../core/units.ts";
import { chooseDisk, type Disk } from "../../emulate/disk.ts";
import {
  runDetached,
  runOnTerminal,
  type DetachedMachine,
  type RunOptions,
  type RunningMachine,
} from "../../emulate/run.ts";
import { machineSize, timeoutSeconds } from "../../emulate/settings.ts";
import { kernelFromImage } from "../../image/kernel-from-image.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context } from "../../pipeline/step.ts";
import { commandFor, imageOf, loadOptions, warn } from "../project.ts";
import type { CommandResult, GlobalOptions } from "../session.ts";
import { readingTools } from "../tools.ts";

/** Options of `rtkit run`, as commander reads them. */
export interface RunImageOptions extends GlobalOptions {
  readonly project?: string;
  readonly board?: string;
  readonly detach?: true;
  readonly until?: "ready";
  readonly timeout: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly disk?: string;
}

const BOOT = { name: "boot", title: "Boot in QEMU" };

/** The work of `rtkit run`: boots the last build and says how to get in. */
export async function runImage(context: Context, options: RunImageOptions): Promise<CommandResult> {
  const background = options.detach === true || options.until !== undefined;
  if (options.json === true && !background) {
    throw usageError("RTK_EMULATE_JSON", "--json and the serial console both want standard output", {
      hint: "add --detach, or --until ready",
    });
  }
  const { project, warnings } = await loadProject(loadOptions(options));
  warn(context, warnings);
  const size = machineSize(project, options);
  const timeout = timeoutSeconds(options.timeout);
  const { board } = project;
  const { signal } = context;
  const kept = options.disk === undefined ? undefined : resolve(options.disk);
  const disk = await chooseDisk(imageOf(project), commandFor("build", project), kept, signal);
  const tools = await readingTools(context, background ? [BOOT] : []);
  const run: RunOptions = {
    board,
    image: disk.path,
    keepWrites: disk.keepWrites,
    loadKernel: async (intoDir) => kernelFromImage(tools, disk.path, intoDir),
    ...size,
    progress: (text) => context.emit({ type: "progress", name: BOOT.name, text }),
    signal,
  };
  if (!background) {
    await runOnTerminal(run, (machine) => process.stderr.write(greeting(board.name, machine, disk)));
    return { result: { board: board.name }, text: "the machine was switched off" };
  }
  const what = options.until === "ready" ? "ready" : "ssh";
  const machine = await showAsStep(context, BOOT.name, () => runDetached(run, { what, timeoutSeconds: timeout }));
  return { result: { board: board.name, ...machine }, text: farewell(what, machine, disk) };
}

function greeting(board: string, machine: RunningMachine, disk: Disk): string {
  return [
    `booting the image of ${board} in QEMU (${speed(machine)}); ${writes(disk)}`,
    `Ctrl-C or Ctrl-A X ends it; from another terminal, once it is up: ${sshCommand(machine)}`,
    "",
  ].join("\n");
}

function farewell(what: "ssh" | "ready", machine: DetachedMachine, disk: Disk): string {
  return [
    `${what === "ready" ? "every node is active" : "up"} after ${formatMs(machine.bootSeconds * 1000)} (${speed(machine)})`,
    "",
    `  ${sshCommand(machine)}`,
    `  tail -f ${shellQuote([machine.serialLog])}    its serial console`,
    `  kill ${machine.pid}    ends it; ${writes(disk)}`,
  ].join("\n");
}

function speed({ accelerator }: RunningMachine): string {
  return accelerator === "kvm" ? "with KVM" : "emulated: slower than a board";
}

function writes({ path, keepWrites }: Disk): string {
  return keepWrites ? `what it writes is kept in ${path}` : "what it writes is thrown away";
}

function sshCommand({ ssh }: RunningMachine): string {
  return shellQuote(["ssh", "-F", ssh.config, "board"]);
}
