/* The viewer: a desktop in a page.

   It mounts itself into `#viewer`, whose data attributes say which session it shows and in which words. `data-state` tells
   how it stands: admitting, connecting, waiting, connected, notready, lost, ended, refused, signedout, elsewhere. */

import { type Admission, admit, sessionState } from "./api.js";
import { afterClose, BACKEND_GONE } from "./closing.js";
import { Desktop } from "./desktop.js";
import { element } from "./dom.js";
import { Fit } from "./fit.js";
import { Keyboard, softKeyboard } from "./keyboard.js";
import { ending } from "./limit.js";
import { Panel, type Said } from "./panel.js";
import { Pointer } from "./pointer.js";
import { Schedule, STEADY_MS } from "./schedule.js";
import { Sharing } from "./sharing.js";
import { fill, stringsFrom, type Strings } from "./strings.js";
import { Toolbar } from "./toolbar.js";

type State =
  | "admitting"
  | "connecting"
  | "waiting"
  | "connected"
  | "notready"
  | "lost"
  | "ended"
  | "refused"
  | "signedout"
  | "elsewhere";

/** How long the controller keeps the question open while the desktop is on its way; the words are then asked anew. */
const ASK_AGAIN_S = 2;
const HINT_MS = 5000;
/** How often, and for how long, it is asked whether the person's session is there. */
const OPENING_ASK_MS = 700;
const OPENING_MAX_MS = 60_000;
/** How long connecting took in this browser the last times, in seconds: what "usually" means. */
const MEASURED = "frazil-connect-s";

class Viewer {
  private readonly strings: Strings;
  private readonly screen = element("div", "fv-screen");
  private readonly ghost = element("canvas", "fv-ghost");
  private readonly hint = element("p", "fv-hint");
  private readonly opening = element("p", "fv-opening");
  private readonly ending = element("p", "fv-ending");
  private readonly panel = new Panel();
  private readonly schedule = new Schedule();
  private readonly fit: Fit;
  private readonly keyboard: Keyboard;
  private readonly toolbar: Toolbar;
  private readonly sharing: Sharing;
  private desktop: Desktop | null = null;
  /** Raised by each new try: what an older one still says is not listened to. */
  private attempt = 0;
  private timer = 0;
  private hinting = 0;
  private beganMs = 0;
  private steady = 0;
  private asking = 0;

  constructor(private readonly root: HTMLElement) {
    this.strings = stringsFrom(root.dataset["strings"]);
    this.screen.id = "fv-screen";
    this.ghost.setAttribute("aria-hidden", "true");
    this.ghost.hidden = true;
    this.hint.hidden = this.opening.hidden = true;
    this.opening.setAttribute("role", "status");
    this.opening.textContent = this.strings.opening;
    this.ending.hidden = true;
    this.ending.setAttribute("role", "alert");
    const sizer = element("div", "fv-sizer", this.screen, this.ghost);
    const stage = element("div", "fv-stage", sizer);
    const desktop = (): Desktop | null => this.desktop;
    this.fit = new Fit(stage, sizer, [this.screen, this.ghost]);
    this.sharing = new Sharing(stage, this.strings, () => (this.fit.on ? stage.getBoundingClientRect() : null));
    this.toolbar = new Toolbar(
      this.strings,
      {
        fullScreen: () => void this.toggleFullScreen(),
        fit: () => {
          this.fit.toggle();
          this.toolbar.fitted(this.fit.on);
          this.sharing.resized();
        },
        keys: (codes) => this.keyboard.press(codes),
        softKeyboard: () => soft.focus(),
        sendFiles: () => this.sharing.choose(),
        reconnect: () => this.reconnect(),
      },
      this.leaveUrl,
    );
    this.keyboard = new Keyboard(this.screen, desktop, () => this.toolbar.focus(), () => this.sharing.offer());
    const soft = softKeyboard(this.keyboard, this.strings.keyboard);
    new Pointer(this.screen, desktop, () => this.screen.querySelector("canvas")?.focus());
    this.screen.addEventListener("focusin", () => this.showHint(this.strings.keyboardHere));
    this.screen.addEventListener("focusout", () => this.showHint(this.strings.keyboardAway));
    new MutationObserver(() => this.dress()).observe(this.screen, { childList: true });
    root.classList.add("fv");
    root.append(this.toolbar.root, stage, this.panel.root, this.sharing.root, this.hint, this.opening, this.ending, soft, this.panel.announcer);
    window.addEventListener("online", () => {
      if (this.root.dataset["state"] === "lost") this.connect();
    });
    window.addEventListener("pagehide", () => this.desktop?.stop());
    this.connect();
  }

  private get leaveUrl(): string {
    return this.root.dataset["leaveUrl"] ?? "/";
  }

  private set state(state: State) {
    this.root.dataset["state"] = state;
    this.toolbar.pictured = state === "connected";
    if (state !== "connected") this.hint.hidden = this.opening.hidden = this.ending.hidden = true;
    this.ghost.hidden = state === "connected" || this.ghost.width === 0 || this.ghost.dataset["drawn"] !== "yes";
  }

  /** Begin anew: a ticket, then the links. */
  private connect(): void {
    const mine = this.begin();
    if (!this.beganMs) this.beganMs = performance.now();
    this.say("admitting", { title: this.strings.admitting, working: true });
    void admit(this.root.dataset["ticketsUrl"] ?? "", this.root.dataset["csrf"] ?? "").then((admission) => {
      if (mine === this.attempt) this.admitted(admission);
    });
  }

  private reconnect(): void {
    this.schedule.reset();
    this.connect();
  }

  private begin(): number {
    this.keepPicture();
    window.clearTimeout(this.timer);
    window.clearTimeout(this.steady);
    window.clearTimeout(this.asking);
    this.sharing.detach();
    this.desktop?.stop();
    this.desktop = null;
    this.attempt += 1;
    return this.attempt;
  }

  private admitted(admission: Admission): void {
    const back = { label: this.strings.back, act: this.leaveUrl, primary: true };
    switch (admission.kind) {
      case "ticket":
        this.link(admission.ticket.spice_path, admission.ticket.ticket);
        return;
      case "notready":
        void this.wait(admission.detail);
        return;
      case "unreachable":
        this.lost();
        return;
      case "signedout": {
        const next = encodeURIComponent(location.pathname + location.search);
        this.say("signedout", {
          title: this.strings.signedOut,
          detail: this.strings.signedOutDetail,
          actions: [{ label: this.strings.signIn, act: `/sign-in?next=${next}`, primary: true }],
        });
        return;
      }
      case "refused":
      case "ended":
        this.say(admission.kind, {
          title: this.strings[admission.kind],
          detail: admission.detail || this.strings[admission.kind === "ended" ? "endedDetail" : "refusedDetail"],
          reference: admission.reference ? fill(this.strings.reference, { reference: admission.reference }) : "",
          actions: [back],
        });
    }
  }

  /** The desktop is on its way: say what happens now and how long it usually takes; the ticket comes the moment that it is there. */
  private async wait(detail: string): Promise<void> {
    const mine = this.attempt;
    const now = await sessionState(this.root.dataset["stateUrl"] ?? "");
    if (mine !== this.attempt) return;
    const seconds = now?.expectedReadyS;
    this.say("notready", {
      title: this.strings.notReady,
      detail: now?.step || now?.why || detail,
      ticking: seconds ? fill(this.strings.usually, { seconds: Math.ceil(seconds) }) : "",
      working: true,
      actions: [{ label: this.strings.back, act: this.leaveUrl }],
    });
    const url = `${this.root.dataset["ticketsUrl"] ?? ""}?wait_s=${ASK_AGAIN_S}`;
    void admit(url, this.root.dataset["csrf"] ?? "").then((admission) => {
      if (mine === this.attempt) this.admitted(admission);
    });
  }

  private link(path: string, ticket: string): void {
    const mine = this.begin();
    const usually = this.usually();
    this.say("connecting", { title: this.strings.connecting, ticking: usually, working: true });
    const mineStill = (act: () => void) => () => {
      if (mine === this.attempt) act();
    };
    this.timer = window.setTimeout(
      mineStill(() => this.panel.tick(this.strings.takesLonger)),
      2000 * (this.measured() ?? 4),
    );
    try {
      this.desktop = new Desktop(`wss://${location.host}${path}`, ticket, this.screen, {
        linked: mineStill(() =>
          this.say("waiting", { title: this.strings.waitingForPicture, ticking: usually, working: true }),
        ),
        pictured: () => mineStill(() => this.pictured())(),
        lost: (code) => mineStill(() => this.closed(code))(),
      });
      this.sharing.attach(this.desktop.agent);
    } catch {
      this.lost();
    }
  }

  private pictured(): void {
    window.clearTimeout(this.timer);
    const tookS = (performance.now() - this.beganMs) / 1000;
    this.beganMs = 0;
    const before = this.measured();
    localStorage.setItem(MEASURED, (before === null ? tookS : before * 0.7 + tookS * 0.3).toFixed(2));
    this.steady = window.setTimeout(() => this.schedule.reset(), STEADY_MS);
    this.state = "connected";
    this.panel.hide(this.strings.connected);
    this.dress();
    if (document.activeElement === document.body || document.activeElement === null) {
      this.screen.querySelector("canvas")?.focus();
    }
    // spice-html5 may have given it the focus already, before there was anything to say it over.
    if (this.screen.contains(document.activeElement)) this.showHint(this.strings.keyboardHere);
    void this.sayWhileOpening();
    void this.sayWhenItEnds();
  }

  /** The rules of the pool may end the session: that is said before it happens. */
  private async sayWhenItEnds(): Promise<void> {
    const mine = this.attempt;
    const now = await sessionState(this.root.dataset["stateUrl"] ?? "");
    if (mine !== this.attempt) return;
    const { text, askInS } = ending(now?.endsInS ?? null, now?.endsBy ?? "", this.strings);
    // What a screen reader has read out already is not put in again.
    if (this.ending.textContent !== text) this.ending.textContent = text;
    this.ending.hidden = text === "";
    this.asking = window.setTimeout(() => void this.sayWhenItEnds(), askInS * 1000);
  }

  /** The screen is there before the person's session is on it. */
  private async sayWhileOpening(): Promise<void> {
    const mine = this.attempt;
    const end = performance.now() + OPENING_MAX_MS;
    while (performance.now() < end) {
      const now = await sessionState(this.root.dataset["stateUrl"] ?? "");
      if (mine !== this.attempt) return;
      if (!now?.step) break;
      this.opening.hidden = false;
      await new Promise((resolve) => window.setTimeout(resolve, OPENING_ASK_MS));
      if (mine !== this.attempt) return;
    }
    this.opening.hidden = true;
  }

  private closed(code: number): void {
    this.keepPicture();
    const back = { label: this.strings.back, act: this.leaveUrl };
    switch (afterClose(code)) {
      case "ended":
        this.begin();
        this.say("ended", {
          title: this.strings.ended,
          detail: this.strings.endedDetail,
          actions: [{ ...back, primary: true }],
        });
        return;
      case "elsewhere":
        this.begin();
        this.say("elsewhere", {
          title: this.strings.elsewhere,
          detail: this.strings.elsewhereDetail,
          actions: [{ label: this.strings.useHere, act: () => this.reconnect(), primary: true }, back],
        });
        return;
      case "retry":
        this.lost(code !== BACKEND_GONE && this.ghost.dataset["drawn"] === "yes");
    }
  }

  /** `running`: the desktop was there and only the line to it broke; else nothing is promised. */
  private lost(running = false): void {
    const mine = this.begin();
    this.beganMs = 0;
    let left = this.schedule.next();
    this.say("lost", {
      title: this.strings.lost,
      detail: running ? this.strings.lostDetail : "",
      ticking: fill(this.strings.retryIn, { seconds: left }),
      actions: [
        { label: this.strings.retryNow, act: () => this.connect(), primary: true },
        { label: this.strings.back, act: this.leaveUrl },
      ],
    });
    const tick = (): void => {
      if (mine !== this.attempt) return;
      left -= 1;
      if (left <= 0) {
        this.connect();
        return;
      }
      this.panel.tick(fill(this.strings.retryIn, { seconds: left }));
      this.timer = window.setTimeout(tick, 1000);
    };
    this.timer = window.setTimeout(tick, 1000);
  }

  private say(state: State, said: Said): void {
    this.state = state;
    this.panel.say(said);
  }

  /** The last picture stays, dimmed, while there is no living one. */
  private keepPicture(): void {
    const canvas = this.screen.querySelector("canvas");
    if (!canvas || canvas.width === 0) return;
    this.ghost.width = canvas.width;
    this.ghost.height = canvas.height;
    this.ghost.getContext("2d")?.drawImage(canvas, 0, 0);
    this.ghost.dataset["drawn"] = "yes";
  }

  /** spice-html5 makes a new canvas with each new screen size. */
  private dress(): void {
    const canvas = this.screen.querySelector("canvas");
    if (!canvas) return;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", this.root.dataset["title"] || this.strings.screen);
    this.screen.style.width = `${canvas.width}px`;
    this.fit.apply();
  }

  private showHint(text: string): void {
    if (this.root.dataset["state"] !== "connected") return;
    this.hint.textContent = text;
    this.hint.hidden = false;
    window.clearTimeout(this.hinting);
    this.hinting = window.setTimeout(() => (this.hint.hidden = true), HINT_MS);
  }

  private measured(): number | null {
    const value = Number(localStorage.getItem(MEASURED));
    return value > 0 ? value : null;
  }

  private usually(): string {
    const seconds = this.measured();
    return seconds === null ? "" : fill(this.strings.usually, { seconds: Math.max(1, Math.round(seconds)) });
  }

  private async toggleFullScreen(): Promise<void> {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
      return;
    }
    await this.root.requestFullscreen();
    const lockable = navigator as Navigator & { keyboard?: { lock?: () => Promise<void> } };
    await lockable.keyboard?.lock?.();
  }
}

/** Show a desktop in `root`. The page's own container is found and used by itself. */
export function mount(root: HTMLElement): void {
  new Viewer(root);
}

const found = document.getElementById("viewer");
if (found) mount(found);
