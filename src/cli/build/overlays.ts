import { join } from "node:path";
import type { Project } from "../../config/model.ts";
import { rtkitRoot } from "../../core/paths.ts";
import type { Layer } from "../../rootfs/layer.ts";
import { loadOverlays } from "../../rootfs/overlay.ts";

/** Overlays of the board, then of the project. */
export async function readOverlays({ board, image }: Project): Promise<Layer[]> {
  const folders = [...board.overlays.map((name) => join(rtkitRoot, "overlays", name)), ...image.overlays];
  // Where `make -C src/device` leaves the programs for a board.
  return loadOverlays(folders, { programsDir: join(rtkitRoot, "build", "device", board.architecture) });
}
