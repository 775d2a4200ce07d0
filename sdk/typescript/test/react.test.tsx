// The components in a page, before the real server.

import "./support/dom.js";

import { act, cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import axe from "axe-core";
import { Component, StrictMode, type ReactNode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import type { Client } from "../src/index.js";
import { CountersignProvider, LoginForm, RegisterForm, RequireRole, SignedIn, SignedOut, useAuth, useLoginForm, useUser } from "../src/react.js";
import { PASSWORD, someone } from "./support/server.js";
import { browser, eachWithABrowser, server } from "./support/site.js";

// A busy machine takes its time.
configure({ asyncUtilTimeout: 5_000 });

eachWithABrowser({ COUNTERSIGN_LIMITS__LOGIN_FAILURES: "2" });
beforeAll(() => server.addUser("ada", "admin"));
afterEach(cleanup); // before the browser is closed: the last one first

const show = (client: Client, children: ReactNode) =>
  render(
    <StrictMode>
      <CountersignProvider client={client}>{children}</CountersignProvider>
    </StrictMode>,
  );

/** Everything that was ever on the page, in its order. */
function seen(): string[] {
  const texts: string[] = [];
  const look = () => document.body.textContent !== texts.at(-1) && texts.push(document.body.textContent!);
  look();
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
  return texts;
}

const type = (label: string, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });
const press = (name: string) => act(async () => void fireEvent.click(screen.getByRole("button", { name })));

const Page = () => (
  <>
    <SignedIn>in</SignedIn>
    <SignedOut>out</SignedOut>
    <RequireRole role="admin" fallback="no admin">
      admin
    </RequireRole>
  </>
);

describe("who is signed in", () => {
  test("nothing is shown before it is known, and never the wrong thing", async () => {
    await browser.tab().login({ username: "ada", password: PASSWORD });
    const texts = seen();
    show(browser.tab(), <Page />);
    expect(document.body.textContent).toBe("");
    await waitFor(() => expect(document.body.textContent).toBe("inadmin"));
    expect(texts).toEqual(["", "inadmin"]);
  });

  test("a stranger sees what strangers see, a login and a logout show at once", async () => {
    const texts = seen();
    const client = browser.tab();
    show(client, <Page />);
    await waitFor(() => expect(document.body.textContent).toBe("outno admin"));
    await act(() => client.login({ username: "ada", password: PASSWORD }));
    expect(document.body.textContent).toBe("inadmin");
    await act(() => client.logout());
    expect(texts).toEqual(["", "outno admin", "inadmin", "outno admin"]);
  });

  test("a role that one does not have is not shown", async () => {
    const username = someone();
    server.addUser(username);
    const client = browser.tab();
    await client.login({ username, password: PASSWORD });
    show(client, <Page />);
    expect(document.body.textContent).toBe("inno admin");
  });

  test("another tab's logout shows here", async () => {
    const [here, there] = [browser.tab(), browser.tab()];
    await here.login({ username: "ada", password: PASSWORD });
    show(here, <Page />);
    await there.ready;
    await act(async () => {
      await there.logout();
      await vi.waitFor(() => expect(here.user).toBeNull());
    });
    expect(document.body.textContent).toBe("outno admin");
  });

  test("a server renders what is not known yet, and the page takes over from it without a word", async () => {
    const client = browser.tab();
    await client.login({ username: "ada", password: PASSWORD });
    const page = (
      <CountersignProvider client={client}>
        <p>
          <Page />
        </p>
      </CountersignProvider>
    );
    const html = renderToString(page);
    expect(html).toBe("<p></p>");
    const complaints = vi.spyOn(console, "error");
    const container = document.createElement("div");
    container.innerHTML = html;
    document.body.append(container);
    const root = await act(async () => hydrateRoot(container, page, { onRecoverableError: (why) => complaints(why) }));
    await waitFor(() => expect(container.textContent).toBe("inadmin"));
    expect(complaints).not.toHaveBeenCalled();
    act(() => root.unmount());
    container.remove();
  });

  test("useAuth says it in one word, and keeps its object while nothing changes", async () => {
    const client = browser.tab();
    const auths: ReturnType<typeof useAuth>[] = [];
    const Probe = () => (auths.push(useAuth()), (<>{auths.at(-1)!.status}</>));
    const page = show(client, <Probe />);
    await waitFor(() => expect(document.body.textContent).toBe("signedOut"));
    page.rerender(<CountersignProvider client={client}><Probe /></CountersignProvider>);
    await act(() => auths.at(-1)!.login({ username: "ada", password: PASSWORD }));
    expect(auths.at(-1)!.user!.username).toBe("ada");
    expect([...new Set(auths.map(({ status }) => status))]).toEqual(["loading", "signedOut", "signedIn"]);
  });

  test("without a provider it says what is missing", () => {
    class Boundary extends Component<{ children: ReactNode }, { why?: Error }> {
      override state: { why?: Error } = {};
      static getDerivedStateFromError = (why: Error) => ({ why });
      override render = () => this.state.why?.message ?? this.props.children;
    }
    vi.spyOn(console, "error").mockImplementation(() => {});
    const Probe = () => <>{String(useUser())}</>;
    render(<Boundary><Probe /></Boundary>);
    expect(document.body.textContent).toContain("<CountersignProvider>");
    vi.restoreAllMocks();
  });
});

describe("the forms", () => {
  test("a wrong password is said in an alert, and the name stays", async () => {
    show(browser.tab(), <LoginForm />);
    type("Username or e-mail", "ada");
    type("Password", "wrong-wrong-41");
    await press("Sign in");
    await waitFor(() => expect(screen.getByRole("alert").textContent).toBe("The name or the password is not right."));
    expect((screen.getByLabelText("Username or e-mail") as HTMLInputElement).value).toBe("ada");
    expect((screen.getByRole("button") as HTMLButtonElement).getAttribute("aria-disabled")).toBe("false");
  });

  test("too many attempts are said with the time to wait, and in words of one's own", async () => {
    const username = someone();
    server.addUser(username);
    for (let n = 0; n < 2; n++) await browser.tab().login({ username, password: "wrong-wrong-41" }).catch(() => {});
    const page = show(browser.tab(), <LoginForm />);
    const enter = async () => {
      type("Username or e-mail", username);
      type("Password", PASSWORD);
      await press("Sign in");
    };
    await enter();
    await waitFor(() => expect(screen.getByRole("alert").textContent).toMatch(/^Too many attempts\. Please try again in 1[45] minutes\.$/));
    page.unmount();
    show(browser.tab(), <LoginForm labels={{ error: ({ code }) => `So nicht: ${code}` }} />);
    await enter();
    await waitFor(() => expect(screen.getByRole("alert").textContent).toBe("So nicht: too_many_attempts"));
  });

  test("without a connection the form says so, and works again afterwards", async () => {
    let online = false;
    const client = browser.tab({ platform: { fetch: (...args) => (online ? browser.fetch(...args) : Promise.reject(new TypeError())) } });
    show(client, <LoginForm />);
    type("Username or e-mail", "ada");
    type("Password", PASSWORD);
    await press("Sign in");
    await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("No connection"));
    online = true;
    await press("Sign in");
    await waitFor(() => expect(client.user?.username).toBe("ada"));
  });

  test("what is wrong with a field stands at the field, which has the focus", async () => {
    show(browser.tab(), <RegisterForm names="both" />);
    type("Username", "no spaces");
    type("E-mail", "nowhere");
    type("Password", "short");
    await press("Create account");
    const username = await screen.findByLabelText("Username");
    await waitFor(() => expect(username.getAttribute("aria-invalid")).toBe("true"));
    for (const label of ["Username", "E-mail", "Password"]) {
      const input = screen.getByLabelText(label);
      const message = document.getElementById(input.getAttribute("aria-describedby")!);
      expect(message!.textContent).not.toBe("");
    }
    expect(document.activeElement).toBe(username);
    expect(screen.getByRole("alert").textContent).toBe("");
    // A name that is taken is an error of its field, too.
    type("Username", "ada");
    type("E-mail", "someone@example.com");
    type("Password", PASSWORD);
    await press("Create account");
    await waitFor(() => expect(screen.getByLabelText("Username").getAttribute("aria-describedby")).toBeTruthy());
    expect(screen.getByText("Username already exists")).toBeTruthy();
    expect(screen.getByLabelText("Password").hasAttribute("aria-invalid")).toBe(false);
  });

  test("an empty form asks for what is missing", async () => {
    show(browser.tab(), <LoginForm />);
    await press("Sign in");
    await waitFor(() => expect(document.querySelectorAll("[aria-invalid=true]").length).toBe(2));
    expect(document.activeElement).toBe(screen.getByLabelText("Username or e-mail"));
  });

  test("signing up and in, once however often the button is pressed", async () => {
    const client = browser.tab();
    const done = vi.fn();
    show(client, <RegisterForm signIn onSuccess={done} />);
    const username = someone();
    type("Username", username);
    type("Password", PASSWORD);
    await act(async () => {
      for (let n = 0; n < 3; n++) fireEvent.click(screen.getByRole("button"));
    });
    await waitFor(() => expect(done).toHaveBeenCalled());
    expect(done.mock.calls).toEqual([[expect.objectContaining({ username })]]);
    expect([client.user!.username, browser.count("/register"), browser.count("/login")]).toEqual([username, 1, 1]);
  });

  test("signing up does not sign in unless it is asked to", async () => {
    const client = browser.tab();
    const done = vi.fn();
    show(client, <RegisterForm names="email" onSuccess={done} />);
    type("E-mail", `${someone()}@example.com`);
    type("Password", PASSWORD);
    await press("Create account");
    await waitFor(() => expect(done).toHaveBeenCalled());
    expect(client.user ?? null).toBeNull();
    expect(browser.count("/login")).toBe(0);
  });

  test("password managers are told what is what", () => {
    const autocomplete = () => [...document.querySelectorAll("input")].map((input) => `${input.name} ${input.type} ${input.autocomplete}`);
    const login = show(browser.tab(), <LoginForm />);
    expect(autocomplete()).toEqual(["username text username", "password password current-password"]);
    login.unmount();
    const both = show(browser.tab(), <RegisterForm names="both" />);
    expect(autocomplete()).toEqual(["username text username", "email email email", "password password new-password"]);
    both.unmount();
    show(browser.tab(), <RegisterForm names="email" />);
    expect(autocomplete()).toEqual(["email email username", "password password new-password"]);
  });

  test("every part takes a class, the form its own attributes, and children stand before the button", () => {
    const classNames = { field: "f", label: "l", input: "i", error: "e", failure: "a", button: "b" };
    show(browser.tab(), <LoginForm className="form" aria-label="Sign in" classNames={classNames}><hr /></LoginForm>);
    const form = screen.getByRole("form", { name: "Sign in" });
    expect(form.className).toBe("form");
    for (const name of ["f", "l", "i", "a", "b"]) expect(form.querySelector(`.${name}`)).not.toBeNull();
    expect(form.querySelector("hr ~ button")).not.toBeNull();
  });

  test("a form of one's own, on the hook", async () => {
    const done = vi.fn();
    const Own = () => {
      const { form, field, failure, pending } = useLoginForm({ onSuccess: done });
      return (
        <form {...form}>
          <input aria-label="who" {...field("username")} />
          <input aria-label="secret" type="password" {...field("password")} />
          <button>{pending ? "…" : "go"}</button>
          <output>{failure}</output>
        </form>
      );
    };
    show(browser.tab(), <Own />);
    type("who", "ada");
    type("secret", PASSWORD);
    await press("go");
    await waitFor(() => expect(done).toHaveBeenCalledWith(expect.objectContaining({ username: "ada" })));
  });

  test.each([
    ["LoginForm", <LoginForm key="l" />],
    ["RegisterForm", <RegisterForm key="r" names="both" />],
  ])("%s has nothing that axe complains of, with errors and without", async (_, form) => {
    const check = async () => {
      // Colours and what stands around a form are the page's.
      const { passes, violations } = await axe.run(document.body, { rules: { "color-contrast": { enabled: false }, region: { enabled: false } } });
      expect(passes.map(({ id }) => id)).toEqual(expect.arrayContaining(["label", "button-name", "autocomplete-valid", "aria-valid-attr-value"]));
      return violations.map(({ id }) => id);
    };
    const { container } = show(browser.tab(), form);
    expect(await check()).toEqual([]);
    await act(async () => void fireEvent.submit(container.querySelector("form")!));
    await waitFor(() => expect(container.querySelector("form")!.getAttribute("aria-busy")).toBe("false"));
    expect(await check()).toEqual([]);
  });
});
