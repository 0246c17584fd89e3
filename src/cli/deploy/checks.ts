import { resolve } from "node:path";
import type { Project } from "../../config/model.ts";
import { runCommandLine, type CommandLineEnd } from "../../core/command-line.ts";
import { RtkitError } from "../../core/errors.ts";
import { formatAddress } from "../../deploy/address.ts";
import type { HealthCommand } from "../../deploy/board.ts";
import { printable } from "../../core/printable.ts";
import type { Context } from "../../pipeline/step.ts";

/**
 * Runs the project's `deploy.check`, if it has one, and shows on standard error what it prints as it comes. Throws
 * RTK_DEPLOY_CHECK with its last lines unless it ends with 0.
 */
export async function checkProject(
  { signal }: Context,
  { dir, deploy }: Pick<Project, "dir" | "deploy">,
): Promise<void> {
  if (deploy.check === null) return;
  const end = await runCommandLine(deploy.check, { cwd: dir, onText: showText, signal });
  if (end.status === 0) return;
  throw new RtkitError("RTK_DEPLOY_CHECK", `the project's check failed: ${describeEnd(deploy.check, end)}`, {
    hint: "nothing was built or sent; mend it, or deploy all the same with --skip-checks",
  });
}

/**
 * The project's `deploy.health`, for each board, with where the board is in its environment; undefined when there is none.
 * It throws RTK_DEPLOY_HEALTH with the command's last lines unless that ends with 0 in time.
 */
export function healthCommand(
  { signal }: Context,
  { dir, deploy }: Pick<Project, "dir" | "deploy">,
): HealthCommand | undefined {
  const { health } = deploy;
  if (health === null) return undefined;
  return async (connection, release, timeoutMs) => {
    const { host, port, user } = await connection.where();
    const end = await runCommandLine(health, {
      cwd: dir,
      env: {
        RTKIT_HOST: host,
        RTKIT_PORT: `${port}`,
        RTKIT_USER: user,
        RTKIT_RELEASE: release,
        RTKIT_SSH_CONFIG: resolve(connection.sshConfig),
      },
      timeoutMs,
      signal,
    });
    if (end.status === 0) return;
    const board = formatAddress(connection.address);
    throw new RtkitError(
      "RTK_DEPLOY_HEALTH",
      `the project's health check failed for ${board}: ${describeEnd(health, end)}`,
      {
        hint: "the board went back to its previous release; mend what it complains of, or give it more time with --timeout",
      },
    );
  };
}

function describeEnd(command: string, { status, timedOut, lastLines }: CommandLineEnd): string {
  const how = timedOut ? "took too long" : status === null ? "was killed" : `ended with ${status}`;
  const lines = lastLines.map((line) => `\n  ${printable(line)}`).join("");
  return `${command} ${how}${lines === "" ? "" : `; its last lines:${lines}`}`;
}

function showText(text: string): void {
  process.stderr.write(text);
}
