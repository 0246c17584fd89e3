import * as z from "zod";

const mode = z
  .string()
  .regex(/^[0-7]{4}$/, 'four octal digits in quotes, such as "0644"')
  .describe("Permission bits, four octal digits");

const boardPath = z
  .string()
  .regex(/^(\/(?!\.{1,2}(\/|$))[^/]+)+$/, "an absolute path on the board without . and ..")
  .describe("An absolute path on the board");

const name = z.string().min(1);

/** The form of `overlay.yaml`. */
export const overlaySchema = z.strictObject({
  description: z.string().min(1).describe("What the overlay is for, in one line"),
  paths: z
    .record(
      boardPath,
      z.strictObject({
        owner: name.optional().describe("User, root by default"),
        group: name.optional().describe("Group, root by default"),
        mode: mode.optional(),
        directory: z.literal(true).optional().describe("A folder, made when nothing else is in it"),
      }),
    )
    .optional()
    .describe("What differs from root:root and 0755 for folders and executable files, 0644 for other files"),
  links: z.record(boardPath, name).optional().describe("Symbolic links: where they are, and what they hold"),
  replaces: z
    .array(boardPath)
    .optional()
    .describe("Files of Debian packages or lower overlays that this one overwrites on purpose"),
  programs: z
    .record(name, z.strictObject({ to: boardPath, mode: mode.optional() }))
    .optional()
    .describe("Device programs of rtkit, by name, compiled for the board"),
});

/** `overlay.yaml` as it was read. */
export type OverlayFile = z.infer<typeof overlaySchema>;
