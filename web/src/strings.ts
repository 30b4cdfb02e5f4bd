/* The viewer's words. The page may hand over translations of any of them as JSON in `data-strings`; these are the
   English ones, and the list of names that a translation knows. `{…}` is filled in by the viewer. */

export const ENGLISH = {
  admitting: "Asking to be let in…",
  connecting: "Connecting to your desktop…",
  waitingForPicture: "Connected. Waiting for the first picture…",
  usually: "This usually takes {seconds} s.",
  takesLonger: "This takes longer than usual.",
  connected: "Connected.",
  opening: "Opening your session…",
  notReady: "Your desktop is not ready yet.",
  lost: "The connection was lost.",
  lostDetail: "Your desktop goes on running; nothing in it is lost.",
  retryIn: "Trying again in {seconds} s.",
  retryNow: "Try now",
  ended: "This session has ended.",
  endsSoon: "This session ends in {minutes} min. Save your work.",
  endsNow: "This session ends in less than a minute. Save your work.",
  idleSoon: "Nobody seems to be here: this session ends within a minute. Move the mouse to go on.",
  endedDetail: "Go back to your desktops to open a new one.",
  refused: "You may not open this desktop any more.",
  refusedDetail: "Ask your administrator if you think that this is wrong.",
  signedOut: "You are signed out.",
  signedOutDetail: "Sign in again to go on; your desktop goes on running.",
  elsewhere: "This desktop was opened in another window.",
  elsewhereDetail: "Only one window at a time can show it.",
  useHere: "Use it here",
  back: "Back to your desktops",
  signIn: "Sign in",
  reference: "Reference: {reference}",
  tools: "Desktop tools",
  showTools: "Show tools",
  hideTools: "Hide tools",
  fullScreen: "Full screen",
  leaveFullScreen: "Leave full screen",
  fit: "Fit to window",
  realSize: "Real size",
  keys: "Keys",
  ctrlAltDel: "Ctrl-Alt-Del",
  superKey: "Menu key",
  altTab: "Alt-Tab",
  printScreen: "Print screen",
  textConsole: "Text console",
  keyboard: "Keyboard",
  reconnect: "Reconnect",
  leave: "Leave",
  keyboardHere: "Your keyboard goes to the desktop. Ctrl-Alt-Shift gives it back.",
  keyboardAway: "Click the desktop to type in it.",
  screen: "Desktop",
  sendFiles: "Send files",
  dropFiles: "Drop files here to send them to the desktop's Downloads.",
  sending: "Sending {name}…",
  sent: "{name} is in the desktop's Downloads.",
  cancelled: "{name} was not sent.",
  failed: "{name} could not be sent. Folders can't; with a file, try again.",
  full: "The desktop has no room for {name}.",
  forbidden: "{name} was not sent: files may not be sent to this desktop.",
  unready: "{name} was not sent: the desktop is not ready for files yet. Try again in a moment.",
  cancel: "Cancel",
} as const;

export type StringName = keyof typeof ENGLISH;
export type Strings = Record<StringName, string>;

/** English, with every name replaced that `json` gives a text for. */
export function stringsFrom(json: string | undefined): Strings {
  const strings: Strings = { ...ENGLISH };
  if (!json) return strings;
  const given: unknown = JSON.parse(json);
  if (typeof given !== "object" || given === null) return strings;
  for (const [name, text] of Object.entries(given)) {
    if (name in strings && typeof text === "string") strings[name as StringName] = text;
  }
  return strings;
}

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
