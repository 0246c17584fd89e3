/** 0 for all well; any other stops the node in order and becomes its exit status. */
export type Status = number;

/** Exit status for an exception that escaped, and for a result that is no integer (EX_SOFTWARE of sysexits.h). */
export const STATUS_SOFTWARE = 70;

/** Exit status of a node with overrun policy `stop` whose step took longer than its period (EX_TEMPFAIL of sysexits.h). */
export const STATUS_OVERRUN = 75;
