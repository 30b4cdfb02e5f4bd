/* When to try again by itself. */

export const WAITS_S = [1, 2, 4, 8, 15] as const;
/** A connection that has held for so long counts as mended: the next loss starts from the shortest wait. */
export const STEADY_MS = 10_000;

export class Schedule {
  private tries = 0;

  /** Seconds until the next try. */
  next(): number {
    const wait = WAITS_S[Math.min(this.tries, WAITS_S.length - 1)] ?? 15;
    this.tries += 1;
    return wait;
  }

  reset(): void {
    this.tries = 0;
  }
}
