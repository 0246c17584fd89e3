import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { errnoCode } from "./errors.ts";

/** The path of a program on PATH or in the folders for administrators' programs, or undefined. */
export function findProgram(name: string, path: string = process.env["PATH"] ?? ""): string | undefined {
  for (const folder of [...path.split(delimiter), "/usr/sbin", "/sbin"]) {
    const file = join(folder === "" ? "." : folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
    }
  }
  return undefined;
}
