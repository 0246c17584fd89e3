/** The messages between planner and controller; the layout is in README.md, and arm/messages.py has the same. */
const VERSION = 1;
const SET_POINT = 1;
const JOINT_STATE = 2;

/** Bytes of a set-point and of a joint state. */
export const SET_POINT_SIZE = 24;
export const JOINT_STATE_SIZE = 32;

/** Writes a set-point; position in rad, velocity in rad/s. */
export function packSetPoint(view: DataView, sequence: number, position: number, velocity: number): void {
  view.setUint16(0, SET_POINT, true);
  view.setUint16(2, VERSION, true);
  view.setUint32(4, sequence, true);
  view.setFloat64(8, position, true);
  view.setFloat64(16, velocity, true);
}

/** True when the first `length` bytes are a joint state. */
export function isJointState(view: DataView, length: number): boolean {
  return length === JOINT_STATE_SIZE && view.getUint16(0, true) === JOINT_STATE && view.getUint16(2, true) === VERSION;
}

/** The members of a joint state: rad, rad/s, N·m. */
export const jointState = {
  position: (view: DataView): number => view.getFloat64(8, true),
  velocity: (view: DataView): number => view.getFloat64(16, true),
  effort: (view: DataView): number => view.getFloat64(24, true),
};
