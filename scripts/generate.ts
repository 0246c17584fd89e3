// Writes the files that are made from code: the command-line reference and the JSON Schemas. Tests check them for drift.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { auditReference, withTable } from "../src/audit/reference.ts";
import { makeProgram } from "../src/cli/program.ts";
import { cliReference } from "../src/cli/reference.ts";
import { boardJsonSchema, projectJsonSchema } from "../src/config/json-schema.ts";
import { configurationReference } from "../src/config/reference.ts";
import { rtkitRoot } from "../src/core/paths.ts";
import { kernelOptionsReference } from "../src/kernel/reference.ts";

const docs = join(rtkitRoot, "docs");
await writeFile(join(docs, "cli.md"), cliReference(await makeProgram(() => undefined)));
await writeFile(join(docs, "rtkit.schema.json"), `${JSON.stringify(projectJsonSchema(), null, 2)}\n`);
await writeFile(join(docs, "board.schema.json"), `${JSON.stringify(boardJsonSchema(), null, 2)}\n`);
await writeFile(join(docs, "configuration.md"), configurationReference());
const doctor = join(docs, "doctor.md");
await writeFile(doctor, withTable(await readFile(doctor, "utf8"), auditReference()));
await writeFile(join(docs, "kernel-options.md"), await kernelOptionsReference());
