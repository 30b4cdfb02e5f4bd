/* What the viewer takes from spice-html5: nothing is changed, only named. */

export { SpiceMainConn } from "@spice-project/spice-html5/src/main.js";
export { SpiceSimulateCursor } from "@spice-project/spice-html5/src/simulatecursor.js";
export { SpiceConn } from "@spice-project/spice-html5/src/spiceconn.js";
