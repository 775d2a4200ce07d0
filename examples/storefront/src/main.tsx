import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { CountersignProvider } from "@countersign/client/react";
import { App } from "./app";
import { makeClient } from "./mode";
import { read } from "./shop";
import "./style.css";

const root = createRoot(document.getElementById("root")!);

async function open() {
  const { issuer } = await fetch("/api/about").then((response) => read<{ issuer: string }>(response));
  root.render(
    <StrictMode>
      <CountersignProvider client={makeClient(issuer)}>
        <App />
      </CountersignProvider>
    </StrictMode>,
  );
}

open().catch(() => {
  root.render(<p className="notice big" role="alert">The shop cannot be reached just now. Load the page again.</p>);
});
