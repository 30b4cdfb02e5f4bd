/* The desktop's size follows the window's. */

import { type Agent, Capability, Kind, words } from "./agent.js";

const SETTLED_MS = 300;
/** Cards draw lines of a multiple of eight pixels. */
const STEP = 8;
const MIN = { width: 800, height: 600 };
const MAX = { width: 4096, height: 2160 };

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The desktop's size for a window: its own, made larger in its proportion where a desktop would not fit in it. */
export function screenSize(window: Size): Size {
  const scale = Math.max(1, MIN.width / window.width, MIN.height / window.height);
  const along = (length: number, max: number): number => Math.floor(Math.min(length * scale + 0.001, max) / STEP) * STEP;
  return { width: along(window.width, MAX.width), height: along(window.height, MAX.height) };
}

export class Sizer {
  private timer = 0;

  constructor(
    private readonly agent: Agent,
    private readonly room: () => Size | null,
  ) {
    agent.listen({ ready: () => this.ask() });
  }

  /** The window has changed, and perhaps goes on changing. */
  changed(): void {
    globalThis.clearTimeout(this.timer);
    this.timer = globalThis.setTimeout(() => this.ask(), SETTLED_MS);
  }

  private ask(): void {
    const room = this.room();
    if (!room || room.width === 0 || room.height === 0 || !this.agent.can(Capability.MONITORS_CONFIG)) return;
    const { width, height } = screenSize(room);
    this.agent.send(Kind.MONITORS_CONFIG, words(1, 0, height, width, 32, 0, 0));
  }
}
