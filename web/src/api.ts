/* What the viewer asks the controller: a ticket, and how the session is doing. */

export interface Ticket {
  ticket: string;
  spice_path: string;
}

export interface SessionState {
  step: string;
  why: string;
  expectedReadyS: number | null;
  endsInS: number | null;
  endsBy: string;
}

export type Admission =
  | { kind: "ticket"; ticket: Ticket }
  | { kind: "notready"; detail: string }
  | { kind: "signedout" | "refused" | "ended"; detail: string; reference: string }
  | { kind: "unreachable" };

const DEADLINE_MS = 15_000;

interface Problem {
  detail?: unknown;
  reference?: unknown;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export async function admit(url: string, csrf: string): Promise<Admission> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "X-CSRF-Token": csrf, Accept: "application/json" },
      credentials: "same-origin",
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    if (response.ok) return { kind: "ticket", ticket: (await response.json()) as Ticket };
  } catch {
    return { kind: "unreachable" };
  }
  const problem = (await response.json().catch(() => ({}))) as Problem;
  const said = { detail: text(problem.detail), reference: text(problem.reference) };
  switch (response.status) {
    case 401:
      return { kind: "signedout", ...said };
    case 403:
      return { kind: "refused", ...said };
    case 404:
    case 410:
      return { kind: "ended", ...said };
    case 409:
      return { kind: "notready", detail: said.detail };
    default:
      return { kind: "unreachable" };
  }
}

/** How the session's desktop is doing; null when that can't be learnt now. */
export async function sessionState(url: string): Promise<SessionState | null> {
  try {
    const response = await fetch(url, {
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    if (!response.ok) return null;
    const body = (await response.json()) as {
      desktop?: { step?: unknown; why?: unknown };
      expected_ready_s?: unknown;
      ends_in_s?: unknown;
      ends_by?: unknown;
    };
    const expected = body.expected_ready_s;
    return {
      step: text(body.desktop?.step),
      why: text(body.desktop?.why),
      expectedReadyS: typeof expected === "number" ? expected : null,
      endsInS: typeof body.ends_in_s === "number" ? body.ends_in_s : null,
      endsBy: text(body.ends_by),
    };
  } catch {
    return null;
  }
}
