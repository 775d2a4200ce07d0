// A page for Node: of a window only what shows and is pressed. What speaks to servers stays Node's
// own, so that no second set of rules about origins stands between a test and the real server.

import { Window } from "happy-dom";

const page = new Window({ url: "http://localhost/" });
const shows = Object.getOwnPropertyNames(page).filter((name) => /^(HTML|SVG|Node|Named|Attr|Element|Document|Text|Comment|Mutation|Form|CSS|Range|Selection|DOM|Shadow|Computed)/.test(name));
const others = ["document", "window", "location", "navigator", "Event", "MouseEvent", "KeyboardEvent", "InputEvent", "FocusEvent", "UIEvent", "SubmitEvent", "getComputedStyle", "requestAnimationFrame", "cancelAnimationFrame", "screen", "innerWidth", "innerHeight"];
for (const name of [...shows, ...others, "getSelection"]) {
  const value = (page as unknown as Record<string, unknown>)[name];
  const bound = typeof value === "function" && /^[a-z]/.test(name) ? value.bind(page) : value;
  Object.defineProperty(globalThis, name, { value: bound, configurable: true, writable: true });
}
Object.assign(globalThis, { window: globalThis, self: globalThis, IS_REACT_ACT_ENVIRONMENT: true });
