import { execa } from "execa";
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
  };
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
    readonly threads: readonly {
      readonly tid: number;
      readonly name: string;
      readonly policy: string;
      readonly priority: number;
      readonly cpus: string;
    }[];
  }[];
}

/** A board that runs in QEMU. */
export interface RunningBoard {
  readonly pid: number;
  /** Runs a command over ssh, with the real client, and returns what it printed. Throws when it fails. */
  readonly ask: (command: string) => Promise<string>;
  /** The same, for commands that may fail. */
  readonly tryAsk: (command: string) => Promise<{ status: number | undefined; output: string }>;
  readonly stop: () => Promise<void>;
}

/** Boots the last build of a project until all its nodes are active. */
export async function bootBoard(project: string, board: string): Promise<RunningBoard> {
  const args = ["run", "--project", project, "--board", board, "--detach", "--until", "ready"];
  const { pid, ssh } = await rtkitResult<Started>(args);
  const options = ["-i", ssh.key, "-p", String(ssh.port), "-o", `UserKnownHostsFile=${ssh.knownHosts}`];
  const strict = ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-F", "none"];
  const tryAsk = async (command: string): Promise<{ status: number | undefined; output: string }> => {
    const where = `${ssh.user}@${ssh.host}`;
    const { exitCode, all } = await execa("ssh", [...options, ...strict, where, command], { all: true, reject: false });
    return { status: exitCode, output: all };
  };
  return {
    pid,
    tryAsk,
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
