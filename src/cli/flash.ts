import { Command } from "commander";
import { withFirstBootOptions } from "./flash/first-boot-options.ts";
import type { FlashCommandOptions } from "./flash/flash-image.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

const repeatable = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `rtkit flash` */
export const flashCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(withFirstBootOptions(withProjectOption(new Command("flash"))))
    .description(
      "Write an image to a card, verified; until its last write the card holds nothing that starts. The card is asked for, and none is chosen for you.",
    )
    .argument("[image]", "an image, packed (.gz .zst .xz .bz2 .zip) or not, or - (default: the project's last build)")
    .option("--device <dev>", "the card, e.g. /dev/disk/by-id/…; repeatable: all are written at once", repeatable)
    .option("--list", "only show the disks that could be written, and why others could not")
    .option("--board <board>", "the last build for this board in place of the project file's")
    .option("--sha256 <hex>", "what the sha256 of the image or of its packed file must be")
    .option("--no-verify", "do not read back what was written")
    .option("--yes", "do not ask; needs --device with a name that stays (/dev/disk/by-id/…), or --i-mean")
    .option("--i-mean <dev>", "the device once more, in place of the answer to the question; repeatable", repeatable)
    .option("--dry-run", "only say what would be written, and where")
    .action(async (image: string | undefined, options: FlashCommandOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          if (options.list === true) {
            const { listDisks } = await import("./flash/list.ts");
            return listDisks(context);
          }
          const { flashImage } = await import("./flash/flash-image.ts");
          return flashImage(context, image, options);
        }),
      );
    });
