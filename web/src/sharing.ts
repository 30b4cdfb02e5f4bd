/* What passes between this computer and the desktop besides picture and keys: what was copied, files, the window's size. */

import type { Agent } from "./agent.js";
import { Clipboard } from "./clipboard.js";
import { element } from "./dom.js";
import { Files, type Progress } from "./files.js";
import { type Size, Sizer } from "./size.js";
import { fill, type Strings } from "./strings.js";

const TOLD_MS = 8000;

export class Sharing {
  /** What becomes of files, in words. */
  readonly root = element("div", "fv-files");
  private readonly text = element("p", "fv-files-text");
  private readonly bar = element("progress", "fv-files-bar");
  private readonly cancel = element("button", "fv-action");
  private readonly picker = element("input", "");
  private clipboard: Clipboard | null = null;
  private files: Files | null = null;
  private sizer: Sizer | null = null;
  private hiding = 0;

  constructor(
    private readonly stage: HTMLElement,
    private readonly strings: Strings,
    /** The room for a picture; null while it is not the desktop that shall follow. */
    private readonly room: () => Size | null,
  ) {
    this.root.hidden = true;
    this.text.setAttribute("role", "status");
    this.cancel.type = "button";
    this.cancel.textContent = strings.cancel;
    this.cancel.addEventListener("click", () => this.files?.cancel());
    this.root.append(this.text, this.bar, this.cancel);
    this.picker.type = "file";
    this.picker.multiple = true;
    this.picker.addEventListener("change", () => {
      this.send(this.picker.files ?? []);
      this.picker.value = ""; // The same file may be chosen again.
    });
    this.takeDrops();
    new ResizeObserver(() => this.resized()).observe(stage);
    window.addEventListener("focus", () => void this.offerIfAllowed());
    for (const event of ["pointerdown", "keydown"]) {
      stage.addEventListener(event, () => void this.clipboard?.keep(), { capture: true });
    }
  }

  /** Share with a desktop: the one before it is left. */
  attach(agent: Agent): void {
    this.detach();
    this.sizer = new Sizer(agent, this.room);
    this.files = new Files(agent, (progress) => this.tell(progress));
    // Pages without TLS have none; and some browsers can only write.
    const page = navigator.clipboard as globalThis.Clipboard | undefined;
    if (page) this.clipboard = new Clipboard(agent, page);
    agent.listen({ ready: () => void this.offerIfAllowed() });
  }

  detach(): void {
    this.files?.leave();
    this.sizer = this.files = this.clipboard = null;
  }

  /** Choose files to send, for whom dragging is not at hand. */
  choose(): void {
    this.picker.click();
  }

  resized(): void {
    this.sizer?.changed();
  }

  /** Before keys that paste: a browser that wants to ask asks now. */
  async offer(): Promise<void> {
    await this.clipboard?.offer();
  }

  /** Without a question: browsers that ask each time are not asked here. */
  private async offerIfAllowed(): Promise<void> {
    try {
      const permission = await navigator.permissions.query({ name: "clipboard-read" as PermissionName });
      if (permission.state === "granted" && document.hasFocus()) await this.offer();
    } catch {
      // A browser that doesn't know this permission asks at each reading.
    }
  }

  private takeDrops(): void {
    const hint = element("p", "fv-drop", this.strings.dropFiles);
    const over = (on: boolean): void => {
      this.stage.classList.toggle("fv-dropping", on);
    };
    this.stage.append(hint);
    this.stage.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      over(true);
    });
    this.stage.addEventListener("dragleave", () => over(false));
    this.stage.addEventListener("drop", (event) => {
      event.preventDefault(); // Else the browser would leave the desktop to show the file.
      over(false);
      this.send(event.dataTransfer?.files ?? []);
    });
  }

  private send(files: Iterable<File>): void {
    if (this.files) this.files.send(files);
    else for (const { name } of files) this.tell({ name, share: 0, outcome: "unready" });
  }

  private tell({ name, share, outcome }: Progress): void {
    const said = fill(this.strings[outcome], { name });
    if (this.text.textContent !== said) this.text.textContent = said;
    const sending = outcome === "sending";
    this.bar.hidden = this.cancel.hidden = !sending;
    this.bar.value = share;
    this.bar.setAttribute("aria-label", said);
    this.root.dataset["outcome"] = outcome;
    this.root.hidden = false;
    window.clearTimeout(this.hiding);
    if (!sending) this.hiding = window.setTimeout(() => (this.root.hidden = true), TOLD_MS);
  }
}
