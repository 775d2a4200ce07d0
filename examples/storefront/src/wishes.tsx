// The wishes of whoever is signed in, and the one wish that waits for a login or for the network.
import { createContext, useCallback, useContext, useEffect, useRef, useState, type ReactNode } from "react";
import { useAuth } from "@countersign/client/react";
import { SignInDialog } from "./sign-in";
import { read, refusal, type Product } from "./shop";

type Wish = {
  product: Pick<Product, "slug" | "name">;
  wanted: boolean;
  /** Whose it is; nobody's yet where the dialog says that it goes to whoever signs in. */
  owner?: string | undefined;
};

type Wishes = {
  /** The slugs; `undefined` while they are not known, or nobody is signed in. */
  slugs: string[] | undefined;
  wish: (product: Wish["product"], wanted: boolean) => Promise<void>;
  /** Opens the dialog for no wish in particular. */
  signIn: () => void;
};

const Context = createContext<Wishes | null>(null);

export function useWishes(): Wishes {
  const wishes = useContext(Context);
  if (!wishes) throw new Error("there is no WishesProvider");
  return wishes;
}

export function WishesProvider({ children, say }: { children: ReactNode; say: (text: string) => void }) {
  const { user, client } = useAuth();
  const [known, setKnown] = useState<{ owner: string; slugs: string[] }>();
  const [asking, setAsking] = useState<{ name?: string } | null>(null);
  const kept = useRef<Wish | null>(null);
  // Answers may overtake each other: only the one to the latest question counts.
  const question = useRef(0);
  const owner = user?.id;

  const load = useCallback(async () => {
    const mine = ++question.current;
    if (!owner) return;
    const slugs = await client.fetch("/api/wishes").then((response) => read<string[]>(response));
    if (mine === question.current) setKnown({ owner, slugs });
  }, [client, owner]);

  const wish = useCallback(
    async (product: Wish["product"], wanted: boolean) => {
      kept.current = { product, wanted, owner };
      try {
        const method = wanted ? "PUT" : "DELETE";
        await client.fetch(`/api/wishes/${product.slug}`, { method }).then((response) => read(response));
        kept.current = null;
        say(wanted ? `${product.name} is on your wishlist.` : `${product.name} is off your wishlist.`);
      } catch (error) {
        const { status, message } = refusal(error);
        if (status === 401) {
          kept.current = { product, wanted };
          setAsking({ name: product.name });
        } else if (status === 0) say("You are offline. Your wish is kept, and sent when you are back.");
        else {
          kept.current = null;
          say(message);
        }
        return;
      }
      // Made is made, whatever becomes of the list.
      await load().catch(() => {});
    },
    [client, load, owner, say],
  );

  const resume = useCallback(() => {
    const waiting = kept.current;
    if (!waiting || !owner) return load();
    if (waiting.owner === undefined || waiting.owner === owner) return wish(waiting.product, waiting.wanted);
    kept.current = null;
    return load();
  }, [load, owner, wish]);

  // Somebody signed in, or out, or the network is back.
  useEffect(() => {
    const quietly = () => void resume().catch(() => {});
    quietly();
    window.addEventListener("online", quietly);
    return () => window.removeEventListener("online", quietly);
  }, [resume]);

  // Kept by owner: a list that was loaded for one person is never shown to the next.
  const slugs = owner && known?.owner === owner ? known.slugs : undefined;
  const done = useCallback(() => setAsking(null), []);
  const giveUp = useCallback(() => {
    kept.current = null;
    setAsking(null);
  }, []);

  return (
    <Context value={{ slugs, wish, signIn: () => setAsking({}) }}>
      {children}
      {asking && <SignInDialog wish={asking.name} onDone={done} onClose={giveUp} />}
    </Context>
  );
}
