// Signing in and signing up, in a dialog above whatever one was doing.
import { useEffect, useId, useRef, useState } from "react";
import { LoginForm, RegisterForm } from "@countersign/client/react";

type Props = {
  /** What waits for the login. */
  wish?: string | undefined;
  onDone: () => void;
  /** Closed without a login. */
  onClose: () => void;
};

const LOOKS = { field: "field", error: "wrong", failure: "wrong", button: "main" };

export function SignInDialog({ wish, onDone, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [joining, setJoining] = useState(false);
  const title = useId();

  // A modal one, which the attribute `open` is not.
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => dialog.current?.querySelector("input")?.focus(), [joining]);

  return (
    <dialog ref={dialog} className="sign-in" aria-labelledby={title} onClose={onClose}>
      <button type="button" className="close" aria-label="Close" onClick={() => dialog.current?.close()}>
        ×
      </button>
      <h2 id={title}>{joining ? "Create an account" : "Sign in"}</h2>
      {wish && (
        <p className="why">
          <b>{wish}</b> goes on your wishlist as soon as you are signed in.
        </p>
      )}
      {joining ? (
        <RegisterForm signIn onSuccess={onDone} classNames={LOOKS}>
          <p className="soft">Eight characters or more. A few words do well.</p>
        </RegisterForm>
      ) : (
        <LoginForm onSuccess={onDone} classNames={LOOKS} />
      )}
      <p className="soft">
        {joining ? "You have an account? " : "New here? "}
        <button type="button" className="plain" onClick={() => setJoining(!joining)}>
          {joining ? "Sign in" : "Create an account"}
        </button>
      </p>
    </dialog>
  );
}
