import { expect, it } from "vitest";
import { noBlame, readBlame } from "../../src/latency/blame.ts";
import { blameWords } from "../../src/latency/words.ts";
import { latencyRun } from "./runs.ts";

/** What rtla 6.12 prints of a thread that held the CPU (Documentation/tools/rtla/rtla-timerlat-top.rst). */
const THREAD = `## CPU 12 hit stop tracing, analyzing it ##
  IRQ handler delay:		                	     2.49 us (7.52 %)
  IRQ latency:						     3.33 us
  Timerlat IRQ duration:				     4.10 us (12.35 %)
  Blocking thread:					    21.79 us (65.64 %)
	             objtool:49256    		    21.79 us
    Blocking thread stack trace
		-> timerlat_irq
		-> __hrtimer_run_queues
  IRQ interference					     2.12 us (6.39 %)
	         local_timer:236      		     2.12 us
------------------------------------------------------------------------
  Thread latency:					    33.20 us (100%)

Max timerlat IRQ latency from idle: 11.01 us in cpu 3`;

/** And of interrupts that were off: the thread is named without a time. */
const INTERRUPTS_OFF = `## CPU 1 hit stop tracing, analyzing it ##
  IRQ handler delay:		                	   812.00 us (99.1 %)
  IRQ latency:						   819.33 us
  Blocking thread:
	           modprobe:77       
    Blocking thread stack trace
		-> timerlat_irq
------------------------------------------------------------------------
  IRQ latency:						   819.33 us (100%)`;

it("names the thread that took most of a late wake-up", () => {
  const blame = readBlame(20, THREAD.split("\n"));
  expect(blame.culprit).toEqual({ cpu: 12, what: "thread objtool (49256)", us: 21.79 });
  expect(blameWords(latencyRun({ blame }))).toBe(
    "A wake-up on CPU 12 was later than 20 µs, 21.8 µs of it by thread objtool (49256).",
  );
});

it("names the timer's own handler, as where a virtual machine is interrupted by its host", () => {
  const lines = THREAD.replace("4.10 us", "400.25 us").split("\n");
  expect(readBlame(20, lines).culprit).toEqual({ cpu: 12, what: "the timer interrupt's own handler", us: 400.25 });
});

it("names who ran while interrupts were off", () => {
  expect(readBlame(400, INTERRUPTS_OFF.split("\n")).culprit).toEqual({
    cpu: 1,
    what: "interrupts that were off, or the hardware while thread modprobe (77) ran",
    us: 812,
  });
});

it("says when nothing was late, and why nobody could be looked for", () => {
  expect(blameWords(latencyRun({ blame: readBlame(50, []) }))).toContain("No wake-up was later than 50 µs");
  expect(blameWords(latencyRun({ blame: noBlame(50, "the kernel has no timerlat tracer") }))).toBe(
    "Who was in the way is not known: the kernel has no timerlat tracer.",
  );
});

it("keeps nothing that a terminal would obey", () => {
  const { lines, culprit } = readBlame(1, ["  Thread interference  5.00 us", "\t  \u001b[2Jevil:7   5.00 us"]);
  expect(lines[1]).toContain("?[2Jevil");
  expect(culprit?.what).toBe("thread ?[2Jevil (7)");
});
