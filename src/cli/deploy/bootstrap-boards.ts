import type { Project } from "../../config/model.ts";
import { RtkitError } from "../../core/errors.ts";
import { formatAddress } from "../../deploy/address.ts";
import { bootstrapBoard, type SystemChange } from "../../deploy/bootstrap.ts";
import type { Board } from "../../deploy/connect-all.ts";
import { whatToKnow, type SystemNeeds } from "../../deploy/system-check.ts";
import type { Connection } from "../../deploy/transport.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context } from "../../pipeline/step.ts";
import { readSystemFiles } from "./system-files.ts";

/**
 * Makes systems targets, one after the other: sudo may have to ask on the terminal. One that cannot become one is in the
 * result, where whoever visits it hears the reason.
 */
export async function bootstrapBoards(
  context: Context,
  boards: readonly Board[],
  project: Pick<Project, "board" | "nodes">,
  ask: boolean,
): Promise<Board[]> {
  const { filesFor, bytes, glibc } = await readSystemFiles(project.board);
  const needs: SystemNeeds = {
    architecture: project.board.architecture,
    glibc,
    bytes,
    python: project.nodes.some(({ runtime }) => runtime === "python"),
    node: project.nodes.some(({ runtime }) => runtime === "typescript"),
  };
  const bootstrap = async (connection: Connection): Promise<SystemChange> =>
    showAsStep(
      context,
      `bootstrap-${formatAddress(connection.address)}`,
      async () => bootstrapBoard(connection, { needs, filesFor, ask }),
      ({ changes }) => changes.length === 0,
    );
  const result: Board[] = [];
  for (const board of boards) {
    const { address, visit } = board;
    try {
      const { facts } = await visit(bootstrap);
      const warning = whatToKnow(address, facts);
      if (warning !== undefined) context.emit({ type: "warning", ...warning });
      result.push(board);
    } catch (error) {
      if (!(error instanceof RtkitError)) throw error;
      result.push({ address, visit: async () => Promise.reject(error) });
    }
  }
  return result;
}
