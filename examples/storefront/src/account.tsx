// The account: who one is, where one is signed in, and how to stop being so.
import { useCallback, useEffect, useState } from "react";
import { useAuth } from "@countersign/client/react";
import type { Session } from "@countersign/client";
import { Link, useTitle } from "./router";
import { refusal } from "./shop";

const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const when = (seconds: number) => moment.format(seconds * 1000);

/** The words of a user agent that mean something to its owner. */
function device(agent: string): string {
  const browser = /(Firefox|Edg|Chrome|Safari)(?=\/)/.exec(agent)?.[0]?.replace("Edg", "Edge");
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0];
  return [browser, system].filter(Boolean).join(" on ") || "Some device";
}

/** Where Countersign cannot be reached, nobody is signed out, and is told so. */
function useLogOut(say: (text: string) => void) {
  const { logout } = useAuth();
  return (options?: { all: boolean }) =>
    logout(options).catch((error) => say(`You are still signed in. ${refusal(error).message}`));
}

/** The menu behind the name; the browser closes it by itself on a click elsewhere or on Escape. */
export function AccountMenu({ onSignIn, say }: { onSignIn: () => void; say: (text: string) => void }) {
  const { user } = useAuth();
  const logOut = useLogOut(say);
  if (user === undefined) return <span className="account-name" aria-busy="true" />;
  if (user === null) {
    return (
      <button type="button" className="account-name" onClick={onSignIn}>
        Sign in
      </button>
    );
  }
  const close = () => document.getElementById("menu")?.hidePopover();
  return (
    <>
      <button type="button" className="account-name" popoverTarget="menu">
        <span>{user.username ?? user.email}</span>
      </button>
      <div id="menu" popover="auto" className="menu">
        <Link to="/wishlist" onClick={close}>Wishlist</Link>
        <Link to="/account" onClick={close}>Devices</Link>
        {user.roles.includes("admin") && <Link to="/stock" onClick={close}>Stock</Link>}
        <hr />
        <button type="button" onClick={() => logOut()}>Log out</button>
        <button type="button" onClick={() => logOut({ all: true })}>Log out everywhere</button>
      </div>
    </>
  );
}

export function AccountPage({ say }: { say: (text: string) => void }) {
  useTitle("Devices");
  const { user, client } = useAuth();
  const logOut = useLogOut(say);
  const [sessions, setSessions] = useState<Session[]>();

  const load = useCallback(() => {
    client.sessions().then(setSessions, (error) => say(refusal(error).message));
  }, [client, say]);
  useEffect(load, [load]);

  async function end(session: Session) {
    try {
      await client.endSession(session.id);
      say("That device is signed out.");
      load();
    } catch (error) {
      say(refusal(error).message);
    }
  }

  return (
    <>
      <h1 tabIndex={-1}>Where you are signed in</h1>
      <p>
        You are <b>{user?.username ?? user?.email}</b>
        {user?.roles.length ? <> ({user.roles.join(", ")})</> : null}. What is signed out here is refused by the shop at
        once, though the token it held has not expired.
      </p>
      <ul className="devices">
        {sessions?.map((session) => (
          <li key={session.id}>
            <div>
              <b>{device(session.user_agent)}</b> {session.current && <em>this one</em>}
              <p className="soft">
                {session.address}, since {when(session.created_at)}, last used {when(session.last_used_at)}
              </p>
            </div>
            {!session.current && (
              <button type="button" onClick={() => end(session)}>
                Sign out
              </button>
            )}
          </li>
        ))}
      </ul>
      <p className="row">
        <button type="button" className="main" onClick={() => logOut()}>
          Log out
        </button>
        <button type="button" onClick={() => logOut({ all: true })}>
          Log out everywhere
        </button>
      </p>
    </>
  );
}
