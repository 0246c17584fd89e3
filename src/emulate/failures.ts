import { RtkitError } from "../core/errors.ts";
import { shellQuote } from "../core/exec.ts";
import type { ProcessEnd } from "../core/process.ts";
import type { SerialFault } from "./serial-watch.ts";

/** QEMU's command line. */
interface QemuCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** The code of the one failure that another try mends: {@link qemuFailure} when someone took the chosen port. */
export const PORT_TAKEN = "RTK_EMULATE_PORT_TAKEN";

/** Says in words why QEMU ended, from what it wrote on standard error (messages of QEMU 7.2 to 10). */
export function qemuFailure(command: QemuCommand, end: ProcessEnd, stderr: string): RtkitError {
  const said = stderr.trim().split("\n").slice(-15).join("\n");
  if (/Could not set up host forwarding rule/.test(stderr)) {
    return new RtkitError(PORT_TAKEN, "other programs take every port that is chosen for ssh", {
      hint: "run it again",
    });
  }
  if (/Failed to get .*lock/.test(stderr)) {
    return new RtkitError("RTK_EMULATE_DISK_IN_USE", "the disk is in use by another emulated machine", {
      hint: "stop that machine, or keep this one's disk in another file",
    });
  }
  if (/cannot set up guest memory|Cannot allocate memory/i.test(stderr)) {
    return new RtkitError("RTK_EMULATE_MEMORY", "this machine has not enough memory for the emulated one", {
      hint: "give it less with --memory",
    });
  }
  const how = end.signal === null ? `exit status ${end.status}` : `signal ${end.signal}`;
  return new RtkitError(
    "RTK_EMULATE_QEMU_FAILED",
    `${command.program} ended (${how})${said === "" ? "" : `:\n${said}`}`,
    {
      hint: `rtkit needs QEMU 7.2 or newer; the command was: ${shellQuote([command.program, ...command.args])}`,
    },
  );
}

/** Says in words what the serial console told, with its last lines. */
export function faultError(fault: SerialFault, lastLines: readonly string[]): RtkitError {
  const { code, message, hint } = faultText(fault);
  return new RtkitError(code, withLines(message, lastLines), hint === undefined ? {} : { hint });
}

/** A message with the last lines of the serial console, when there are any. */
export function withLines(message: string, lastLines: readonly string[]): string {
  if (lastLines.length === 0) return `${message}; its serial console is silent`;
  return `${message}; its serial console ends with:\n${lastLines.map((line) => `  ${line}`).join("\n")}`;
}

function faultText(fault: SerialFault): { code: string; message: string; hint?: string } {
  switch (fault.kind) {
    case "panic":
      return { code: "RTK_EMULATE_PANIC", message: `the machine's kernel panicked: ${fault.detail}` };
    case "no-root":
      return {
        code: "RTK_EMULATE_BOOT_FAILED",
        message: `the machine does not find its ${fault.detail}`,
        hint: "rtkit inspect IMAGE shows the partitions and root= of the kernel command line",
      };
    case "emergency":
      return {
        code: "RTK_EMULATE_BOOT_FAILED",
        message: "the machine stopped booting, in systemd's emergency mode",
        hint: "a file system that is not there or cannot be mounted is the usual reason",
      };
  }
}
