import { execa } from "execa";
import { dirname, join } from "node:path";
import { rtkitResult } from "./cli.ts";

/** One file of a build's result. */
export interface BuiltFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** What `rtkit build --json` ends with. */
export interface Built {
  readonly image: BuiltFile;
  readonly bmap: BuiltFile;
  readonly release: BuiltFile & { readonly id: string };
  readonly manifest: BuiltFile;
  readonly sbom: BuiltFile;
  readonly kernelConfig: BuiltFile;
  readonly cached: boolean;
}

/** What `rtkit run --detach --json` ends with. */
interface Started {
  readonly pid: number;
  readonly ssh: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly key: string;
    readonly knownHosts: string;
    readonly config: string;
  };
}

/** The part of a node's statistics that tests read. */
export interface Stats {
  readonly uniqueId: string;
  readonly state: string;
  readonly periodUs: number;
  readonly cycles: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly collections: number;
}

/** `rtnodectl status --json`. */
export interface BoardStatus {
  readonly release: string;
  readonly kernel: { readonly version: string; readonly realtime: boolean };
  readonly nodes: readonly {
    readonly name: string;
    readonly state: string;
    readonly pid: number;
    readonly policy: string;
    readonly priority: number;
    readonly cpus: string;
    readonly lockedKiB: number;
    readonly thpDisabled: boolean;
    readonly noNewPrivileges: boolean;
    readonly effectiveCapabilities: string;
    readonly limits: Readonly<Record<string, { readonly soft: number | string; readonly hard: number | string }>>;
    /** Missing where a node publishes none. */
    readonly stats?: Stats;
    readonly threads: readonly {
      readonly tid: number;
      readonly name: string;
      readonly policy: string;
      readonly priority: number;
      readonly cpus: string;
    }[];
  }[];
}

/** What a command on the board came to. */
export interface Answer {
  readonly status: number | undefined;
  /** What it printed, errors too. */
  readonly output: string;
}

/** A board that runs in QEMU. */
export interface RunningBoard {
  readonly pid: number;
  /** The ssh configuration that `rtkit run` wrote; the board's name in it is `board`. */
  readonly sshConfig: string;
  /**
   * Runs a command over ssh, with the real client, and returns what it printed. Throws when it fails. All share one
   * connection: to make one takes an emulated board seconds.
   */
  readonly ask: (command: string) => Promise<string>;
  /** The same, for commands that may fail. */
  readonly tryAsk: (command: string) => Promise<Answer>;
  /** Logs in anew for a command. */
  readonly logIn: (command: string) => Promise<Answer>;
  readonly stop: () => Promise<void>;
}

/**
 * Boots the last build of a project until all its nodes are active, or until it answers over ssh. With `disk` it keeps what
 * the machine writes in that file.
 */
export async function bootBoard(
  project: string,
  board: string,
  until: "ready" | "ssh" = "ready",
  { disk, env }: { readonly disk?: string; readonly env?: Record<string, string> } = {},
): Promise<RunningBoard> {
  const run = ["run", "--project", project, "--board", board, "--detach"];
  if (until === "ready") run.push("--until", "ready");
  if (disk !== undefined) run.push("--disk", disk);
  const { pid, ssh } = await rtkitResult<Started>(run, env);
  const options = ["-i", ssh.key, "-p", String(ssh.port), "-o", `UserKnownHostsFile=${ssh.knownHosts}`];
  const strict = ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-F", "none"];
  const where = `${ssh.user}@${ssh.host}`;
  const logIn = async (command: string, more: readonly string[] = []): Promise<Answer> => {
    const words = [...options, ...strict, ...more, where, command];
    const { exitCode, all } = await execa("ssh", words, { all: true, reject: false, stdin: "ignore" });
    return { status: exitCode, output: all };
  };
  // The first command leaves the connection to those that follow (ssh_config(5)); it ends with the machine.
  const socket = join(dirname(ssh.key), "control");
  const shared = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes", "-o", `ControlPath=${socket}`];
  const tryAsk = (command: string): Promise<Answer> => logIn(command, shared);
  return {
    pid,
    sshConfig: ssh.config,
    tryAsk,
    logIn: (command) => logIn(command),
    ask: async (command) => {
      const { status, output } = await tryAsk(command);
      if (status !== 0) throw new Error(`on the board: ${command}: exit status ${status}\n${output}`);
      return output;
    },
    stop: async () => {
      process.kill(pid);
      while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 100));
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
