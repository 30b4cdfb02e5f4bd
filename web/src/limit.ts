/* When the rules of the pool will end the session, and what is said of it before. */

import type { Strings } from "./strings.js";
import { fill } from "./strings.js";

/** So long before the end it is said: of a session that has become too long, and of one that nobody uses. */
export const LONGEST_WARNING_S = 300;
export const IDLE_WARNING_S = 60;
/** How often it is asked while the end is near, and at the most seldom: a rule may be made at any time. */
const NEAR_S = 5;
const SELDOM_S = 600;

export interface Ending {
  /** What to say; empty while there is nothing to say. */
  text: string;
  /** When to ask again, in seconds. */
  askInS: number;
}

/** What a session's `ends_in_s` and `ends_by` mean for who looks at it. */
export function ending(endsInS: number | null, endsBy: string, strings: Strings): Ending {
  if (endsInS === null || endsBy === "grace") return { text: "", askInS: SELDOM_S };
  const idle = endsBy === "idle";
  const untilSaidS = endsInS - (idle ? IDLE_WARNING_S : LONGEST_WARNING_S);
  if (untilSaidS > 0) return { text: "", askInS: Math.min(Math.max(untilSaidS, NEAR_S), SELDOM_S) };
  if (idle) return { text: strings.idleSoon, askInS: NEAR_S };
  const minutes = Math.ceil(endsInS / 60);
  const text = endsInS < 60 ? strings.endsNow : fill(strings.endsSoon, { minutes });
  return { text, askInS: Math.max(NEAR_S, Math.min(endsInS % 60 || 60, 60)) };
}
