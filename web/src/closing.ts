/* Why the gateway closed a link: the numbers of src/frazil/gateway/close_codes.py. */

export const REFUSED = 4403;
export const REPLACED = 4409;
export const ENDED = 4410;
export const BACKEND_GONE = 4502;

export type AfterClose = "ended" | "elsewhere" | "retry";

/** What a close code means for the person. Everything that is not known is worth another try. */
export function afterClose(code: number): AfterClose {
  if (code === ENDED) return "ended";
  if (code === REPLACED) return "elsewhere";
  return "retry";
}
