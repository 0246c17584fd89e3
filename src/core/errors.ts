/** The place of a mistake in a file the user wrote. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** What a {@link RtkitError} is made of. */
export interface ErrorOptions {
  /** What to do about it, as one sentence or one command. */
  readonly hint?: string;
  readonly where?: Place;
  readonly cause?: unknown;
  /** 2 for a mistake in usage or configuration, 1 (the default) for everything else that fails. */
  readonly exitStatus?: 1 | 2;
}

/**
 * The one error that is shown to users without a stack trace: a stable code (`RTK_…`, listed in
 * docs/errors.md), what happened, where, and how to mend it. It is made where the cause is known.
 */
export class RtkitError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly where: Place | undefined;
  readonly exitStatus: 1 | 2;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RtkitError";
    this.code = code;
    this.hint = options.hint;
    this.where = options.where;
    this.exitStatus = options.exitStatus ?? 1;
  }
}

/** Several mistakes found at once, so that they can be mended at once. Never empty. */
export class RtkitErrors extends Error {
  readonly errors: readonly RtkitError[];

  constructor(errors: readonly RtkitError[]) {
    super(errors.map((error) => error.message).join("\n"));
    this.name = "RtkitErrors";
    this.errors = errors;
  }
}

/** A mistake in how rtkit was called or configured: exit status 2. */
export function usageError(code: string, message: string, options: Omit<ErrorOptions, "exitStatus"> = {}): RtkitError {
  return new RtkitError(code, message, { ...options, exitStatus: 2 });
}

/** Throws one {@link RtkitError}, or {@link RtkitErrors} when there are several; returns when there are none. */
export function throwIfAny(errors: readonly RtkitError[]): void {
  const [first, ...rest] = errors;
  if (first === undefined) return;
  throw rest.length === 0 ? first : new RtkitErrors(errors);
}

/** The system's name for a failed call (`ENOENT`, `EACCES`, …), or undefined for any other error. */
export function errnoCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
