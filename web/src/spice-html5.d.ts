/* The few parts of spice-html5 that the viewer touches. Another client may stand in for it if it offers these. */

export interface Outgoing {
  readonly type: number;
  buffer_size(): number;
  to_buffer(buffer: ArrayBuffer): void;
}

export interface Channel {
  readonly state: "connecting" | "start" | "link" | "ticket" | "ready" | "closing" | "error";
  readonly ws?: WebSocket;
  send_msg(message: Outgoing): void;
}

export interface Inputs extends Channel {
  waiting_for_ack: number;
  mouse_mode: number;
  process_channel_message(message: Message): boolean;
}

export interface Surface {
  readonly canvas: HTMLCanvasElement;
  readonly draw_count: number;
}

export interface Display extends Channel {
  readonly surfaces?: Surface[];
  readonly primary_surface?: number;
}

export interface Message {
  readonly type: number;
  readonly data: ArrayBuffer;
}

/** What is spoken to the guest's agent through; the functions may be put in place of its own. */
export interface Main {
  readonly agent_msg_queue: readonly unknown[];
  process_channel_message(message: Message): boolean;
  announce_agent_capabilities(request: number): void;
  send_agent_message(
    kind: number,
    body: { buffer_size(): number; to_buffer(buffer: ArrayBuffer, at: number): void },
  ): void;
}

export interface SpiceMainConn extends Main {}

export class SpiceMainConn implements Channel {
  constructor(options: {
    uri: string;
    password: string;
    screen_id: string;
    onerror: (error: unknown) => void;
    onsuccess: () => void;
  });
  readonly state: Channel["state"];
  readonly ws?: WebSocket;
  readonly inputs?: Inputs;
  readonly display?: Display;
  readonly mouse_mode?: number;
  send_msg(message: Outgoing): void;
  stop(): void;
}

export const SpiceSimulateCursor: { warned: boolean };

/** What every channel inherits from. */
export const SpiceConn: { readonly prototype: { send_ticket(block: readonly number[]): void } };
