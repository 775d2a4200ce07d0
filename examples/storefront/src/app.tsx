// The frame of every page, and which page it is.
import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { useAuth } from "@countersign/client/react";
import { AccountMenu, AccountPage } from "./account";
import { ModeSwitch } from "./mode";
import { Heart, Moon } from "./pictures";
import { go, Link, usePlace } from "./router";
import { Missing, ProductPage, Shelf, WishlistPage } from "./shelf";
import { StockPage } from "./stock";
import { useWishes, WishesProvider } from "./wishes";

type Say = { say: (text: string) => void };

/** One line at the foot of the page, which goes away by itself. */
function useToast() {
  const [toast, setToast] = useState<{ text: string }>();
  const say = useCallback((text: string) => setToast({ text }), []);
  useEffect(() => {
    const timer = setTimeout(() => setToast(undefined), 5000);
    return () => clearTimeout(timer);
  }, [toast]);
  return [toast?.text, say] as const;
}

export function App() {
  const [toast, say] = useToast();
  return (
    <WishesProvider say={say}>
      <Header say={say} />
      <Offline />
      <main>
        <Page say={say} />
      </main>
      <Footer say={say} />
      <div className="toast" role="status">
        {toast && <p>{toast}</p>}
      </div>
    </WishesProvider>
  );
}

function Header({ say }: Say) {
  const place = usePlace();
  const { slugs, signIn } = useWishes();
  const words = place.pathname === "/" ? (place.searchParams.get("q") ?? "") : "";
  const search = (words: string) => {
    go(words ? `/?q=${encodeURIComponent(words)}` : "/", { replace: place.pathname === "/" });
  };
  return (
    <header className="top">
      <Link to="/" className="brand">
        <Moon /> Small Hours
      </Link>
      <search>
        <input
          type="search"
          aria-label="Search"
          placeholder="Search"
          maxLength={60}
          value={words}
          onChange={(event) => search(event.target.value)}
        />
      </search>
      <Link to="/wishlist" className="wishes" aria-label={`Wishlist, ${slugs?.length ?? 0}`}>
        <Heart full={Boolean(slugs?.length)} />
        {slugs?.length ? <span className="count">{slugs.length}</span> : null}
      </Link>
      <AccountMenu onSignIn={signIn} say={say} />
    </header>
  );
}

function Offline() {
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const look = () => setOffline(!navigator.onLine);
    window.addEventListener("online", look);
    window.addEventListener("offline", look);
    return () => {
      window.removeEventListener("online", look);
      window.removeEventListener("offline", look);
    };
  }, []);
  return (
    <p className="offline" role="status" hidden={!offline}>
      You are offline. You stay signed in; what you see may be old.
    </p>
  );
}

function Page({ say }: Say) {
  const place = usePlace();
  const page = useRef<HTMLDivElement>(null);
  const [, kind, slug] = place.pathname.split("/");
  // Whoever cannot see the page change hears its heading. Not on the way in.
  const came = useRef(place.pathname);
  useEffect(() => {
    if (came.current === place.pathname) return;
    came.current = place.pathname;
    if (!document.activeElement?.matches("input")) page.current?.querySelector("h1")?.focus();
  }, [place.pathname]);

  const shown = () => {
    if (kind === "") return <Shelf words={place.searchParams.get("q") ?? ""} />;
    if (kind === "product" && slug) return <ProductPage key={slug} slug={slug} />;
    if (slug !== undefined) return <Missing />;
    if (kind === "wishlist") return <Members why="A wishlist is somebody’s."><WishlistPage /></Members>;
    if (kind === "account") return <Members why="Devices are somebody’s."><AccountPage say={say} /></Members>;
    if (kind === "stock") return <Members why="Stock is for staff."><StockPage say={say} /></Members>;
    return <Missing />;
  };
  return <div ref={page}>{shown()}</div>;
}

/** What is kept for those who are signed in; made anew for each of them. */
function Members({ why, children }: { why: string; children: ReactNode }) {
  const { user } = useAuth();
  const { signIn } = useWishes();
  if (user === undefined) return null;
  if (user) return <div key={user.id}>{children}</div>;
  return (
    <div className="notice big">
      <h1 tabIndex={-1}>Who are you?</h1>
      <p>{why}</p>
      <button type="button" className="main" onClick={signIn}>
        Sign in
      </button>
    </div>
  );
}

function Footer({ say }: Say) {
  const { client } = useAuth();
  return (
    <footer>
      <ModeSwitch client={client} say={say} />
      <p className="soft">An example of Countersign. Nothing here is for sale.</p>
    </footer>
  );
}
