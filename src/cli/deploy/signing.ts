import { loadProject } from "../../config/load.ts";
import type { Signer } from "../../config/model.ts";
import { RtkitError } from "../../core/errors.ts";
import { whoDeploys } from "../../deploy/deploy-facts.ts";
import type { DeployRecord, SourceFacts } from "../../deploy/record.ts";
import { signWith, signWithOneOf, type Sign } from "../../deploy/sign.ts";
import { loadOptions } from "../project.ts";
import type { BoardOptions } from "./boards.ts";

/** Options of commands that make another release current. */
export interface SigningOptions extends BoardOptions {
  readonly sign?: string;
}

/** What `--sign` is for. */
export const SIGN_HELP = "sign with this key file, in place of the first of image.signers whose private key is at hand";

/** Now, as records have it: seconds since 1970. */
export function recordTime(): number {
  return Math.floor(Date.now() / 1000);
}

/** Signs with the key of `--sign`, else with one of the signers. */
export function signFor(
  { sign }: Pick<SigningOptions, "sign">,
  signers: () => Promise<readonly Signer[]>,
  signal: AbortSignal,
): Sign {
  return sign === undefined ? signWithOneOf(signers, signal) : signWith(sign, signal);
}

/** The signers of the project, also of one that only lies here while boards are named with `--host`. */
export async function projectSigners(options: BoardOptions): Promise<readonly Signer[]> {
  try {
    const { project } = await loadProject(loadOptions(options));
    return project.image.signers;
  } catch (error) {
    const isNone = error instanceof RtkitError && error.code === "RTK_CONFIG_NOT_FOUND";
    if (isNone && options.project === undefined) return [];
    throw error;
  }
}

/** The record of a deploy that happens now. */
export function recordOf(release: string, sources: SourceFacts): DeployRecord {
  return { release, time: recordTime(), ...sources, ...whoDeploys() };
}
