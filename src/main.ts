import { runCli } from "./cli/program.ts";

// Output that nobody reads ends the command in order (see runCommand); what is said at its end has no reader either.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

process.exitCode = await runCli(process.argv.slice(2));
