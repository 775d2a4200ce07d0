// How this page holds a login, and the client that does.
import { useState } from "react";
import { createClient, type Client } from "@countersign/client";

export type Mode = "cookie" | "token";

const KEPT = "storefront-mode";

export const mode: Mode = localStorage.getItem(KEPT) === "token" ? "token" : "cookie";

/** Another tab may still hold its login in cookies, and this page would act as that person. */
const withoutCookies: typeof fetch = (input, init) => fetch(input, { ...init, credentials: "omit" });

/** In cookie mode Countersign is a path of this origin, in token mode an origin of its own. */
export function makeClient(issuer: string): Client {
  return mode === "cookie"
    ? createClient({ baseUrl: "/auth", mode })
    : createClient({ baseUrl: issuer, mode, storage: "sessionStorage", platform: { fetch: withoutCookies } });
}

const MODES: Record<Mode, { title: string; text: string }> = {
  cookie: {
    title: "Cookie mode",
    text:
      "Your login is in two HttpOnly cookies of this site. The browser sends them; no script can read them, not even " +
      "one that was smuggled in. All tabs share one login. The shop passes /auth on to Countersign.",
  },
  token: {
    title: "Token mode",
    text:
      "Your login is two tokens in this tab’s sessionStorage, which outlive a reload and end with the tab. This page " +
      "sends them itself, to Countersign at an origin of its own (CORS). A script that was smuggled in could read them.",
  },
};

/** Says which is in use and what that means. The other begins signed out: logins do not move. */
export function ModeSwitch({ client, say }: { client: Client; say: (text: string) => void }) {
  const [busy, setBusy] = useState(false);

  async function change(to: Mode) {
    setBusy(true);
    try {
      if (client.user) await client.logout();
    } catch {
      // Offline, say: then the cookies would still be there, for a page that believes it has no login.
      setBusy(false);
      say("You are still signed in, and so the mode stays: Countersign cannot be reached just now.");
      return;
    }
    localStorage.setItem(KEPT, to);
    location.reload();
  }

  return (
    <fieldset className="modes" disabled={busy}>
      <legend>How this page holds your login</legend>
      {(Object.keys(MODES) as Mode[]).map((each) => (
        <label key={each} className={each === mode ? "chosen" : undefined}>
          <input type="radio" name="mode" value={each} checked={each === mode} onChange={() => change(each)} />
          <span>
            <b>{MODES[each].title}</b> {each === mode && <em>in use</em>}
            <small>{MODES[each].text}</small>
          </span>
        </label>
      ))}
      <p className="soft">Changing it signs you out.</p>
    </fieldset>
  );
}
