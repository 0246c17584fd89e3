import { Command } from "commander";
import { buildCommand } from "./kernel/build.ts";
import { checkCommand } from "./kernel/check.ts";
import { configCommand } from "./kernel/config.ts";
import type { CommandMaker } from "./session.ts";

/** `rtkit kernel …` */
export const kernelCommand: CommandMaker = (onEnd) =>
  new Command("kernel")
    .description("Look at kernels, and make them.")
    .addCommand(checkCommand(onEnd))
    .addCommand(configCommand(onEnd))
    .addCommand(buildCommand(onEnd));
