/* The picture's size in the window: fitted, or pixel by pixel with scroll bars.

   The canvas is scaled by a transform: its own pixels stay what the desktop drew. */

export class Fit {
  private fitted = true;

  constructor(
    private readonly stage: HTMLElement,
    private readonly sizer: HTMLElement,
    private readonly layers: readonly HTMLElement[],
  ) {
    new ResizeObserver(() => this.apply()).observe(stage);
  }

  get on(): boolean {
    return this.fitted;
  }

  toggle(): void {
    this.fitted = !this.fitted;
    this.apply();
  }

  apply(): void {
    const canvas = this.sizer.querySelector("canvas");
    if (!canvas || canvas.width === 0) return;
    const room = this.stage.getBoundingClientRect();
    const scale = this.fitted ? Math.min(room.width / canvas.width, room.height / canvas.height) : 1;
    this.stage.classList.toggle("fv-real", !this.fitted);
    this.sizer.style.width = `${Math.floor(canvas.width * scale)}px`;
    this.sizer.style.height = `${Math.floor(canvas.height * scale)}px`;
    for (const layer of this.layers) layer.style.transform = `scale(${scale})`;
  }
}
