/* Mends what spice-html5 sends as its password: it drops the leading zero bytes of the encrypted block, and the server
   then refuses one link in 256. */

const BLOCK_BYTES = 128;

export interface TicketSender {
  send_ticket(block: readonly number[]): void;
}

/** From here on every channel made with this prototype sends the whole block. */
export function mendTickets(prototype: TicketSender): void {
  const send = prototype.send_ticket;
  prototype.send_ticket = function (this: TicketSender, block) {
    const zeros = Array.from({ length: BLOCK_BYTES - block.length }, () => 0);
    send.call(this, [...zeros, ...block]);
  };
}
