import { RtkitError } from "../../core/errors.ts";
import { boardNames, rememberHostKey } from "../../flash/host-key.ts";
import { imageSettings, settingsPatch, type Patch } from "../../flash/settings-patch.ts";
import type { Context } from "../../pipeline/step.ts";
import { self } from "../project.ts";
import { askSecret } from "./ask-secret.ts";
import { readSettings, type FirstBootOptions } from "./first-boot-options.ts";

/** What a card gets besides the image. */
export interface FirstBoot {
  readonly patches: readonly Patch[];
  /** To be called when a card was written well: makes its host key known here. Returns what to do next, in lines. */
  readonly finish: () => Promise<readonly string[]>;
}

/**
 * Turns options into what the card gets for its first boot; asks for a pass-phrase where one is needed. `head`: the image's
 * first SETTINGS_HEAD_BYTES. Throws
 * RTK_FLASH_NO_SETTINGS when the image takes none, and what readSettings throws.
 */
export async function prepareFirstBoot(
  context: Context,
  head: Buffer,
  cards: number,
  options: FirstBootOptions,
): Promise<FirstBoot> {
  const { signal } = context;
  // Nobody types a pass-phrase to be told that the image has no use for it: this throws where that is so.
  if (options.wifi !== undefined)
    settingsPatch(head, { sshKeys: [], wifi: { ssid: options.wifi, country: "", psk: "" } });
  const settings = await readSettings(options, { cards, askSecret: secretTerminal(signal) });
  const template = imageSettings(head);
  const patches = settings === undefined ? [] : settingsPatch(head, settings);
  const finish = async (): Promise<readonly string[]> => {
    if (template === undefined) return [];
    const names = boardNames(settings ?? { sshKeys: [] }, template.hostname);
    const [host] = names;
    const lines = [`put it into the board and switch that on; then: ${self()} status --host ${host}`];
    if (settings?.hostKey === undefined || patches.length === 0) return lines;
    try {
      const files = await rememberHostKey(settings.hostKey.publicKey, names, { signal });
      return [...lines, ...files.map((file) => `${file} has the board's new host key, for ${names.join(", ")}`)];
    } catch (error) {
      // The card is as good as before.
      if (!(error instanceof RtkitError)) throw error;
      const { code, message, hint } = error;
      context.emit({ type: "warning", message: `${message} [${code}]`, ...(hint === undefined ? {} : { hint }) });
      return lines;
    }
  };
  return { patches, finish };
}

/** Where secrets can be asked for; Ctrl-C there is the same as anywhere. */
function secretTerminal(signal: AbortSignal): ((question: string) => Promise<string>) | undefined {
  if (!process.stdin.isTTY) return undefined;
  return async (question) =>
    askSecret(question, { input: process.stdin, output: process.stderr, interrupt: interruptUs, signal });
}

function interruptUs(): void {
  process.kill(process.pid, "SIGINT");
}
