import { join } from "node:path";
import { usageError, type Place, type RtkitError } from "../core/errors.ts";

/** A place below the folder `from`, named below `to`: files are shown under the name the user gave the project's folder. */
export function movePlace(place: Place, from: string, to: string): Place {
  return place.file.startsWith(`${from}/`) ? { ...place, file: join(to, place.file.slice(from.length + 1)) } : place;
}

/** The same mistake with its place moved as by {@link movePlace}. */
export function moveError(error: RtkitError, from: string, to: string): RtkitError {
  if (error.where === undefined) return error;
  return usageError(error.code, error.message, {
    where: movePlace(error.where, from, to),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
