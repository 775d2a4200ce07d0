"use client";

import { createContext, useCallback, useContext, useEffect, useId, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { ComponentPropsWithoutRef, FormEvent, ReactElement, ReactNode, RefObject } from "react";

import type { RegisterBody, User } from "./api.js";
import type { Client, Credentials } from "./client.js";
import { CountersignError } from "./errors.js";

const Context = createContext<Client | null>(null);

/** Gives everything below it the client. */
export function CountersignProvider({ client, children }: { client: Client; children?: ReactNode }): ReactElement {
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

/** The client of the provider above. */
export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error("there is no <CountersignProvider> above this component");
  return client;
}

/** Who is signed in; `null`: nobody; `undefined`: not known yet, which is also what a server renders. */
export function useUser(): User | null | undefined {
  const client = useClient();
  return useSyncExternalStore(
    client.subscribe,
    () => client.user,
    () => undefined,
  );
}

export interface Auth {
  status: "loading" | "signedIn" | "signedOut";
  user: User | null | undefined;
  client: Client;
  login: Client["login"];
  register: Client["register"];
  logout: Client["logout"];
}

/** Who is signed in, and how to change that. */
export function useAuth(): Auth {
  const client = useClient();
  const user = useUser();
  return useMemo(() => {
    const status = user ? "signedIn" : user === null ? "signedOut" : "loading";
    return { status, user, client, login: client.login, register: client.register, logout: client.logout };
  }, [client, user]);
}

/** Its children, once it is known that somebody is signed in. */
export function SignedIn({ children }: { children?: ReactNode }): ReactNode {
  return useUser() ? children : null;
}

/** Its children, once it is known that nobody is signed in. */
export function SignedOut({ children }: { children?: ReactNode }): ReactNode {
  return useUser() === null ? children : null;
}

/**
 * Its children for users with the role, `fallback` for all others, nothing while that is not known.
 * It hides what would not work; it protects nothing: whatever serves the data has to ask for the role.
 */
export function RequireRole({ role, fallback = null, children }: { role: string; fallback?: ReactNode; children?: ReactNode }): ReactNode {
  const user = useUser();
  if (user === undefined) return null;
  return user?.roles.includes(role) ? children : fallback;
}

// ---- forms ----

/** What a form says. Give your own words with `labels`. */
export interface Labels {
  name: string;
  username: string;
  email: string;
  password: string;
  newPassword: string;
  login: string;
  register: string;
  pending: string;
  /** For an error: by its code, and how many seconds to wait where that is known. */
  error: (error: CountersignError) => string;
}

const LABELS: Labels = {
  name: "Username or e-mail",
  username: "Username",
  email: "E-mail",
  password: "Password",
  newPassword: "Password",
  login: "Sign in",
  register: "Create account",
  pending: "One moment …",
  error: ({ code, message, retryAfter }) => {
    switch (code) {
      case "invalid_credentials":
        return "The name or the password is not right.";
      case "too_many_attempts":
        return `Too many attempts. ${again(retryAfter)}`;
      case "busy":
      case "unavailable":
        return `Too much is going on at the moment. ${again(retryAfter)}`;
      case "unreachable":
        return "No connection. Check the network, and try again.";
      default:
        return message;
    }
  },
};

function again(seconds = 0): string {
  if (seconds <= 1) return "Please try again.";
  return seconds < 120 ? `Please try again in ${Math.ceil(seconds)} seconds.` : `Please try again in ${Math.ceil(seconds / 60)} minutes.`;
}

/** Which errors belong to which field where the answer does not say. */
const FIELD_OF: Record<string, string> = { username_taken: "username", email_taken: "email" };

/** A form of your own on this: spread `form`, `field(…)` and `message(…)` into your elements. */
export interface FormState {
  form: { ref: RefObject<HTMLFormElement | null>; onSubmit: (event: FormEvent<HTMLFormElement>) => void; noValidate: true; "aria-busy": boolean };
  /** For the `<input>` of that name. */
  field(name: string): { id: string; name: string; "aria-invalid"?: true; "aria-describedby"?: string };
  /** For the element that shows what is wrong with that field, which is `errors[name]`. */
  message(name: string): { id: string };
  errors: Record<string, string>;
  /** What is wrong altogether, for an element with `role="alert"`. */
  failure: string | undefined;
  error: CountersignError | undefined;
  pending: boolean;
}

/**
 * Sends a form: values by the names of its inputs, empty ones left out. Afterwards the first field
 * with an error has the focus.
 */
export function useForm(send: (values: Record<string, string>) => Promise<void>, say: Labels["error"] = LABELS.error): FormState {
  const id = useId();
  const ref = useRef<HTMLFormElement>(null);
  const sending = useRef(false);
  const alive = useRef(true);
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<CountersignError>();

  useEffect(() => {
    alive.current = true;
    return () => void (alive.current = false);
  }, []);

  const errors = useMemo(() => {
    const field = error && FIELD_OF[error.code];
    return field ? { [field]: error.message } : { ...error?.fields };
  }, [error]);

  useEffect(() => {
    const wrong = error && ref.current?.querySelector<HTMLElement>("[aria-invalid=true]");
    wrong?.focus();
  }, [error]);

  const onSubmit = useCallback(
    (event: FormEvent<HTMLFormElement>) => {
      event.preventDefault();
      if (sending.current) return;
      const filled = [...new FormData(event.currentTarget)].filter((pair): pair is [string, string] => typeof pair[1] === "string" && pair[1] !== "");
      sending.current = true;
      setPending(true);
      setError(undefined);
      send(Object.fromEntries(filled))
        .catch((why) => {
          if (!alive.current) return;
          setError(why instanceof CountersignError ? why : new CountersignError(0, "unknown", String(why?.message ?? why)));
        })
        .finally(() => {
          sending.current = false;
          if (alive.current) setPending(false);
        });
    },
    [send],
  );

  const shown = (name: string) => errors[name] !== undefined;
  return {
    form: { ref, onSubmit, noValidate: true, "aria-busy": pending },
    field: (name) => ({
      id: `${id}${name}`,
      name,
      ...(shown(name) && { "aria-invalid": true, "aria-describedby": `${id}${name}-error` }),
    }),
    message: (name) => ({ id: `${id}${name}-error` }),
    errors,
    failure: error && Object.keys(errors).length === 0 ? say(error) : undefined,
    error,
    pending,
  };
}

/** {@link useForm} that signs in, from the fields `username` and `password`. */
export function useLoginForm({ onSuccess, labels }: { onSuccess?: (user: User) => void; labels?: Partial<Labels> } = {}): FormState {
  const client = useClient();
  const send = useLatest(async ({ username, password }: Record<string, string>) => {
    // What is missing, the server says.
    const user = await client.login({ username, password } as Credentials);
    onSuccess?.(user);
  });
  return useForm(send, labels?.error);
}

/** {@link useForm} that makes an account, from the fields `username`, `email` and `password`. */
export function useRegisterForm({
  onSuccess,
  signIn,
  labels,
}: { onSuccess?: (user: User) => void; signIn?: boolean; labels?: Partial<Labels> } = {}): FormState {
  const client = useClient();
  const send = useLatest(async ({ username, email, password }: Record<string, string>) => {
    let user = await client.register({ username, email, password } as RegisterBody);
    if (signIn) user = await client.login({ username: username ?? email, password } as Credentials);
    onSuccess?.(user);
  });
  return useForm(send, labels?.error);
}

/** The same function at every render, which does what the latest one would. */
function useLatest<A, R>(act: (argument: A) => R): (argument: A) => R {
  const latest = useRef(act);
  useEffect(() => void (latest.current = act));
  return useCallback((argument: A) => latest.current(argument), []);
}

/** A class for each part of a form. */
export interface FormClasses {
  field?: string;
  label?: string;
  input?: string;
  error?: string;
  failure?: string;
  button?: string;
}

export interface FormProps extends Omit<ComponentPropsWithoutRef<"form">, "onSubmit" | "noValidate"> {
  /** Called with the user once it is done. */
  onSuccess?: (user: User) => void;
  classNames?: FormClasses;
  labels?: Partial<Labels>;
}

interface FieldProps {
  of: FormState;
  name: string;
  label: string;
  type?: string;
  autoComplete: string;
  required?: boolean;
  classNames: FormClasses;
}

function Field({ of, name, label, type = "text", autoComplete, required, classNames }: FieldProps): ReactElement {
  const field = of.field(name);
  const words = type === "password" || type === "email" || autoComplete === "username" ? { autoCapitalize: "none", spellCheck: false } : {};
  return (
    <div className={classNames.field}>
      <label className={classNames.label} htmlFor={field.id}>
        {label}
      </label>
      <input className={classNames.input} type={type} autoComplete={autoComplete} aria-required={required} {...words} {...field} />
      {of.errors[name] !== undefined && (
        <p className={classNames.error} {...of.message(name)}>
          {of.errors[name]}
        </p>
      )}
    </div>
  );
}

function Frame({ of, button, words, classNames, children, props }: { of: FormState; button: string; words: Labels; classNames: FormClasses; children: ReactNode; props: object }): ReactElement {
  return (
    <form {...props} {...of.form}>
      {children}
      {/* Always there, so that what appears in it is read out. */}
      <div role="alert" className={classNames.failure}>
        {of.failure}
      </div>
      <button type="submit" className={classNames.button} aria-disabled={of.pending}>
        {of.pending ? words.pending : button}
      </button>
    </form>
  );
}

/** Signs in with a username or an e-mail address, and a password. */
export function LoginForm({ onSuccess, classNames = {}, labels, children, ...props }: FormProps): ReactElement {
  const of = useLoginForm({ onSuccess, labels });
  const words = { ...LABELS, ...labels };
  const common = { of, classNames, required: true };
  return (
    <Frame of={of} button={words.login} words={words} classNames={classNames} props={props}>
      <Field {...common} name="username" label={words.name} autoComplete="username" />
      <Field {...common} name="password" label={words.password} type="password" autoComplete="current-password" />
      {children}
    </Frame>
  );
}

/**
 * Makes an account. Which names it asks for is `names` (default: a username). With `signIn` it signs
 * in at once.
 */
export function RegisterForm({
  onSuccess,
  signIn,
  names = "username",
  classNames = {},
  labels,
  children,
  ...props
}: FormProps & { signIn?: boolean; names?: "username" | "email" | "both" }): ReactElement {
  const of = useRegisterForm({ onSuccess, signIn, labels });
  const words = { ...LABELS, ...labels };
  const common = { of, classNames, required: true };
  return (
    <Frame of={of} button={words.register} words={words} classNames={classNames} props={props}>
      {names !== "email" && <Field {...common} name="username" label={words.username} autoComplete="username" />}
      {names !== "username" && (
        <Field {...common} name="email" label={words.email} type="email" autoComplete={names === "email" ? "username" : "email"} />
      )}
      <Field {...common} name="password" label={words.newPassword} type="password" autoComplete="new-password" />
      {children}
    </Frame>
  );
}
