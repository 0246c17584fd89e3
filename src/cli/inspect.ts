import { Command } from "commander";
import { imageFileSize } from "../image/disk-image.ts";
import { inspectImage } from "../image/inspect.ts";
import { renderInspection } from "../image/inspect-render.ts";
import { runCommand, withGlobalOptions, type CommandMaker, type GlobalOptions } from "./session.ts";
import { readingTools } from "./tools.ts";

/** `rtkit inspect` */
export const inspectCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(new Command("inspect"))
    .description("Show what is in an image, from the image alone: partitions, boot files, system, release.")
    .argument("<image>", "an image that rtkit built")
    .action(async (image: string, options: GlobalOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          // Before tools are fetched for what is not there.
          await imageFileSize(image);
          const inspection = await inspectImage(await readingTools(context), image);
          return { result: inspection, text: renderInspection(inspection) };
        }),
      );
    });
