/* Small pieces of page. */

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

const ICONS = {
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  fit: "M3 5h18v14H3zM8 10l-2 2 2 2M16 10l2 2-2 2",
  keys: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  reconnect: "M20 11a8 8 0 1 0-2.3 5.7M20 5v6h-6",
  leave: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  send: "M12 16V4M7 9l5-5 5 5M4 15v5h16v-5",
  soft: "M12 3v10M8 9l4 4 4-4M4 17h16v4H4z",
  tools: "M5 9l7 7 7-7",
} as const;

export type IconName = keyof typeof ICONS;

function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function button(name: IconName, label: string, act: () => void): HTMLButtonElement {
  const made = element("button", "fv-tool", icon(name), element("span", "fv-label", label));
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

export function relabel(of: HTMLElement, label: string): void {
  const span = of.querySelector(".fv-label");
  if (span) span.textContent = label;
}

export function linkTo(name: IconName, label: string, href: string): HTMLAnchorElement {
  const made = element("a", "fv-tool", icon(name), element("span", "fv-label", label));
  made.href = href;
  return made;
}
