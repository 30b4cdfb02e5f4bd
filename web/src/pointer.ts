/* Mouse, pen and touch on the desktop's picture.

   spice-html5 has handlers of its own, which know one button at a time and no touch; the viewer stops those events before
   they reach the canvas and sends what is meant itself. Touch: tap is a click, a long press the right button, two fingers
   scroll, a moving finger drags. */

import type { Desktop } from "./desktop.js";

const BUTTONS: readonly number[] = [1, 2, 3];
const WHEEL_UP = 4;
const WHEEL_DOWN = 5;
const WHEEL_STEP_PX = 60;
const LONG_PRESS_MS = 600;
const TAP_MOVE_PX = 8;

/** MouseEvent.buttons has right and middle the other way round than SPICE. */
function mask(buttons: number): number {
  return (buttons & 1) | ((buttons & 4) >> 1) | ((buttons & 2) << 1);
}

export class Pointer {
  private wheel = 0;
  private at = { x: 0, y: 0 };
  private touches = new Map<number, { x: number; y: number }>();
  private longPress = 0;
  private touchDown = false;
  /** More than one finger has been down since the last time that none was: no tap and no drag any more. */
  private several = false;

  /** `screen` holds the canvas; `desktop` is asked for at each event, since it changes on reconnecting. */
  constructor(
    private readonly screen: HTMLElement,
    private readonly desktop: () => Desktop | null,
    private readonly focus: () => void,
  ) {
    const early = { capture: true, passive: false } as const;
    for (const name of ["mousemove", "mousedown", "mouseup", "mouseover", "mouseout"] as const) {
      screen.addEventListener(name, (event) => event.stopPropagation(), early);
    }
    screen.addEventListener("contextmenu", (event) => event.preventDefault(), early);
    screen.addEventListener("wheel", (event) => this.onWheel(event), early);
    screen.addEventListener("pointerdown", (event) => this.onDown(event), early);
    screen.addEventListener("pointermove", (event) => this.onMove(event), early);
    screen.addEventListener("pointerup", (event) => this.onUp(event), early);
    screen.addEventListener("pointercancel", (event) => this.onUp(event), early);
  }

  private position(event: MouseEvent): { x: number; y: number } {
    const canvas = this.screen.querySelector("canvas");
    if (!canvas) return this.at;
    const box = canvas.getBoundingClientRect();
    const along = (given: number, from: number, length: number, pixels: number): number =>
      Math.max(0, Math.min(pixels - 1, Math.floor(((given - from) / length) * pixels)));
    return {
      x: along(event.clientX, box.left, box.width, canvas.width),
      y: along(event.clientY, box.top, box.height, canvas.height),
    };
  }

  private move(event: MouseEvent, buttons: number): void {
    const desktop = this.desktop();
    const to = this.position(event);
    if (desktop?.absolute) desktop.move(to.x, to.y, buttons);
    else desktop?.move(to.x - this.at.x, to.y - this.at.y, buttons);
    this.at = to;
  }

  private onDown(event: PointerEvent): void {
    event.preventDefault();
    this.focus();
    (event.target as Element).setPointerCapture?.(event.pointerId);
    if (event.pointerType === "touch") {
      this.touchStart(event);
      return;
    }
    const button = BUTTONS[event.button];
    if (button === undefined) return;
    this.move(event, mask(event.buttons) & ~(1 << (button - 1)));
    this.desktop()?.button(button, true, mask(event.buttons));
  }

  private onMove(event: PointerEvent): void {
    if (event.pointerType === "touch") {
      this.touchMove(event);
      return;
    }
    // A second button that goes down or up while one is held comes as a move (Pointer Events, 10.2).
    const button = event.button >= 0 ? BUTTONS[event.button] : undefined;
    this.move(event, mask(event.buttons));
    if (button !== undefined) {
      const down = (mask(event.buttons) & (1 << (button - 1))) !== 0;
      this.desktop()?.button(button, down, mask(event.buttons));
    }
  }

  private onUp(event: PointerEvent): void {
    if (event.pointerType === "touch") {
      this.touchEnd(event);
      return;
    }
    const button = BUTTONS[event.button] ?? 1;
    this.move(event, mask(event.buttons));
    this.desktop()?.button(button, false, mask(event.buttons));
  }

  private onWheel(event: WheelEvent): void {
    event.preventDefault();
    event.stopPropagation();
    this.scroll(event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * WHEEL_STEP_PX);
  }

  private scroll(pixels: number): void {
    this.wheel += pixels;
    const desktop = this.desktop();
    while (Math.abs(this.wheel) >= WHEEL_STEP_PX) {
      const button = this.wheel < 0 ? WHEEL_UP : WHEEL_DOWN;
      this.wheel -= Math.sign(this.wheel) * WHEEL_STEP_PX;
      desktop?.button(button, true, 0);
      desktop?.button(button, false, 0);
    }
  }

  private touchStart(event: PointerEvent): void {
    this.touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
    window.clearTimeout(this.longPress);
    if (this.touches.size > 1) {
      this.several = true;
      this.endDrag();
      return;
    }
    this.move(event, 0);
    this.longPress = window.setTimeout(() => {
      this.touches.clear();
      this.click(3);
    }, LONG_PRESS_MS);
  }

  private touchMove(event: PointerEvent): void {
    const from = this.touches.get(event.pointerId);
    if (!from) return;
    const across = event.clientX - from.x;
    const down = event.clientY - from.y;
    if (this.touches.size > 1) {
      this.touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
      this.scroll(-down / this.touches.size);
      return;
    }
    if (this.several) return;
    if (!this.touchDown) {
      if (Math.hypot(across, down) < TAP_MOVE_PX) return;
      window.clearTimeout(this.longPress);
      this.touchDown = true;
      this.desktop()?.button(1, true, 1);
    }
    this.move(event, 1);
  }

  private touchEnd(event: PointerEvent): void {
    window.clearTimeout(this.longPress);
    const known = this.touches.delete(event.pointerId);
    if (this.touchDown) this.endDrag();
    else if (known && !this.several && event.type === "pointerup") this.click(1);
    if (this.touches.size === 0) this.several = false;
  }

  private endDrag(): void {
    if (!this.touchDown) return;
    this.touchDown = false;
    this.desktop()?.button(1, false, 0);
  }

  private click(button: number): void {
    const desktop = this.desktop();
    desktop?.button(button, true, 1 << (button - 1));
    desktop?.button(button, false, 0);
  }
}
