import { hostname, userInfo } from "node:os";
import { RtkitError } from "../core/errors.ts";
import { execEnd } from "../core/exec.ts";
import { recordText, type DeployRecord, type SourceFacts } from "./record.ts";

/** Who deploys, and from where. */
export function whoDeploys(): Pick<DeployRecord, "user" | "host"> {
  return { user: recordText(userName()), host: recordText(hostname()) };
}

/** A container's user may have a number and no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

/**
 * Nothing is locked to write down what is only looked at, since somebody may be at work there; and the work tree is that of
 * the folder, also when a hook of git calls us.
 */
const GIT_ENVIRONMENT = {
  GIT_OPTIONAL_LOCKS: "0",
  GIT_DIR: undefined,
  GIT_WORK_TREE: undefined,
  GIT_INDEX_FILE: undefined,
};

/** What git says of a folder; nothing where git is not installed, or the folder is not in a work tree with a commit. */
export async function sourceFacts(dir: string, signal: AbortSignal): Promise<SourceFacts> {
  const git = async (...words: string[]): Promise<string | undefined> => {
    try {
      const { status, stdout } = await execEnd("git", words, { cwd: dir, env: GIT_ENVIRONMENT, signal });
      return status === 0 ? stdout.trim() : undefined;
    } catch (error) {
      if (error instanceof RtkitError && error.code === "RTK_EXEC_MISSING") return undefined;
      throw error;
    }
  };
  const [commit, description, changes] = await Promise.all([
    git("rev-parse", "--verify", "HEAD"),
    git("describe", "--always", "--dirty", "--tags"),
    git("status", "--porcelain", "--", "."),
  ]);
  if (commit === undefined || description === undefined || changes === undefined) return {};
  return { git: commit, description: recordText(description), dirty: changes !== "" };
}
