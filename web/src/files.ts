/* Files that are dropped on the desktop, on their way to its Downloads. */

import { type Agent, Capability, Kind, words } from "./agent.js";

const SLICE_BYTES = 64 << 10;

/** VD_AGENT_FILE_XFER_STATUS_*. */
const Result = { CAN_SEND: 0, CANCELLED: 1, SUCCESS: 3, NO_SPACE: 4, NO_AGENT: 6, DISABLED: 7 } as const;

export type Outcome = "sending" | "sent" | "cancelled" | "failed" | "full" | "forbidden" | "unready";

export interface Progress {
  readonly name: string;
  /** From 0 to 1. */
  readonly share: number;
  readonly outcome: Outcome;
}

const OUTCOMES: Partial<Record<number, Outcome>> = {
  [Result.CANCELLED]: "cancelled",
  [Result.SUCCESS]: "sent",
  [Result.NO_SPACE]: "full",
  [Result.NO_AGENT]: "unready",
  [Result.DISABLED]: "forbidden",
};

interface Transfer {
  readonly id: number;
  readonly file: File;
  sent: number;
  state: "asked" | "sending" | "all sent";
}

/** One after the other, in the order in which they came: two at once would only share the line. */
export class Files {
  private readonly queue: Transfer[] = [];
  private next = 1;
  private reading = false;

  constructor(
    private readonly agent: Agent,
    private readonly tell: (progress: Progress) => void,
  ) {
    agent.listen({
      gone: () => this.leave(),
      drained: () => void this.pump(),
      message: (kind, body) => {
        if (kind === Kind.FILE_XFER_STATUS && body.byteLength >= 8) {
          this.answered(body.getUint32(0, true), body.getUint32(4, true));
        }
      },
    });
  }

  send(files: Iterable<File>): void {
    for (const file of files) {
      const outcome = this.agent.can(Capability.FILE_XFER_DISABLED) ? "forbidden" : this.agent.there ? null : "unready";
      if (outcome) {
        this.tell({ name: file.name, share: 0, outcome });
        continue;
      }
      this.queue.push({ id: this.next++, file, sent: 0, state: "asked" });
      if (this.queue.length === 1) this.start();
    }
  }

  /** Give up the one on its way, and those behind it. */
  cancel(): void {
    const now = this.queue[0];
    if (now) this.agent.send(Kind.FILE_XFER_STATUS, words(now.id, Result.CANCELLED));
    for (const { file } of this.queue.splice(0)) this.tell({ name: file.name, share: 0, outcome: "cancelled" });
  }

  /** The desktop is gone, or left: what was on its way did not arrive. */
  leave(): void {
    for (const { file } of this.queue.splice(0)) this.tell({ name: file.name, share: 0, outcome: "failed" });
  }

  private start(): void {
    const now = this.queue[0];
    if (!now) return;
    this.tell({ name: now.file.name, share: 0, outcome: "sending" });
    const named = `[vdagent-file-xfer]\nname=${escaped(now.file.name)}\nsize=${now.file.size}\n\0`;
    this.agent.send(Kind.FILE_XFER_START, words(now.id), new TextEncoder().encode(named));
  }

  private answered(id: number, result: number): void {
    const now = this.queue[0];
    if (now?.id !== id) return;
    if (result === Result.CAN_SEND) {
      now.state = "sending";
      void this.pump();
      return;
    }
    this.finish(OUTCOMES[result] ?? "failed");
  }

  private finish(outcome: Outcome): void {
    const done = this.queue.shift();
    if (done) this.tell({ name: done.file.name, share: 1, outcome });
    this.start();
  }

  /** One slice at a time, the next when the agent has taken this one. */
  private async pump(): Promise<void> {
    const now = this.queue[0];
    if (now?.state !== "sending" || this.reading || !this.agent.idle) return;
    this.reading = true;
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await now.file.slice(now.sent, now.sent + SLICE_BYTES).arrayBuffer());
    } catch {
      if (now === this.queue[0]) {
        this.agent.send(Kind.FILE_XFER_STATUS, words(now.id, Result.CANCELLED));
        this.finish("failed"); // A folder, or a file that went away meanwhile.
      }
      return;
    } finally {
      this.reading = false;
    }
    if (now !== this.queue[0]) return;
    this.agent.send(Kind.FILE_XFER_DATA, words(now.id, bytes.length, 0), bytes);
    now.sent += bytes.length;
    if (now.sent >= now.file.size) now.state = "all sent"; // An empty file is one empty slice. The agent will say that it has it.
    this.tell({ name: now.file.name, share: now.file.size ? now.sent / now.file.size : 1, outcome: "sending" });
    if (this.agent.idle) void this.pump();
  }
}

/** A name as a value of a GLib key file. */
function escaped(name: string): string {
  return name.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/^ /, "\\s");
}
